"""`python -m pipeline.console --port 8082`: runs the console in this process until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import socket
import sys

from pipeline.console.app import serve
from pipeline.logs import configure_logging
from pipeline.settings.loading import settings

_NOT_STARTED = 3  # the exit code of uvicorn's own command


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.console", description="Run the console.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8082, help="port to listen on (default: %(default)s)")
    parser.add_argument("--fd", type=int, help="descriptor of a socket that listens already, in place of host and port")
    chosen = parser.parse_args()
    known = settings()
    configure_logging(known.log_format)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    listening = None if chosen.fd is None else socket.socket(fileno=chosen.fd)
    if not serve(known, host=chosen.host, port=chosen.port, listening=listening):
        sys.exit(_NOT_STARTED)


if __name__ == "__main__":
    main()
