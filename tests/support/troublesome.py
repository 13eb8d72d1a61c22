"""A source whose records say what its own function does to the process that reads them."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from connectors.kit import Connector, Webhook


def obey(record: dict[str, Any]) -> dict[str, Any]:
    if "begun" in record:
        Path(record["begun"]).touch()
        while not Path(record["until"]).exists():
            time.sleep(0.01)
    if record.get("does") == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if record.get("does") == "boast":  # as a reader that a body has taken over
        os.write(int(sys.argv[sys.argv.index("--fd") + 1]), (1 << 62).to_bytes(8, "big"))
    while record.get("does") == "hang":
        pass
    return record


TROUBLESOME = Connector(
    source="troublesome",
    title="Troublesome",
    owner="@tests",
    docs_url="https://example.org",
    intake=Webhook(max_records=100, records_at="leads"),
    event_id="id",
    prepare=obey,
)
