"""`python -m connectors.sandbox --port 8081 --state FILE`: a CRM of one's own, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from connectors.kit.errors import ConfigurationError
from connectors.sandbox.access import TOKEN_VARIABLE
from connectors.sandbox.dialects import dialects
from connectors.sandbox.server import Sandbox


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when stopped, 2 where an argument is wrong or the port is taken."""
    parser = argparse.ArgumentParser(
        prog="python -m connectors.sandbox",
        description="A sandbox CRM. What it can show and do wrong: docs/connectors.md.",
        epilog="example: python -m connectors.sandbox --port 8081 --state crm.sqlite --faults status=500,rate=0.1",
    )
    parser.add_argument("--port", type=int, default=8081, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--fd", type=int, help="descriptor of a socket that listens already, in place of host and port")
    parser.add_argument("--state", type=Path, required=True, help="SQLite file; made if missing")
    parser.add_argument("--dialect", default="salesforce", help=f"one of: {', '.join(sorted(dialects()))}")
    parser.add_argument("--faults", default="", help="JSON or name=value,name=value")
    options = parser.parse_args(arguments)
    try:
        sandbox = Sandbox(
            port=options.port,
            host=options.host,
            state=options.state,
            dialect=options.dialect,
            faults=options.faults,
            token=os.environ.get(TOKEN_VARIABLE),
            listening=None if options.fd is None else socket.socket(fileno=options.fd),
        )
    except (ConfigurationError, OSError, OverflowError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    print(f"ready {sandbox.address}", flush=True)
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with sandbox:
        done.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
