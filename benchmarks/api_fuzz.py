"""Everything that the receiver's description says, asked rightly and wrongly for minutes: does it answer as it says?

    python -m benchmarks.api_fuzz [--seconds 300] [--seed 1]

The whole system on this machine, asked by schemathesis. Prints requests, answers by operation and status, and what was
wrong: a 5xx, an answer that is not described, one whose body is not as its schema says. Exit 1 if anything was, or if
the balance does not hold. The short run is a test (tests/integration/intake/receiver/test_described_answers.py).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from tests.support.api_fuzz import fuzz
from tests.support.system import API_KEY, System


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, System(Path(folder) / "data") as system:
        began = time.monotonic()
        fuzzed = fuzz(system.address, API_KEY, seconds=options.seconds, seed=options.seed)
        seconds = time.monotonic() - began
        balance = system.wait_until_ended(timeout=600)
    answers = {operation: dict(sorted(counts.items())) for operation, counts in sorted(fuzzed.answers.items())}
    results = {"requests": fuzzed.requests, "seconds": round(seconds), "answers": answers}
    print(json.dumps({**results, "balance": balance, "failures": fuzzed.failures}, indent=2))
    return 1 if fuzzed.failures or balance["difference"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
