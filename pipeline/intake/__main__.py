"""`python -m pipeline.intake --port 8080`: runs the receiver in this process until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from contextlib import suppress

import uvicorn

from pipeline.intake.receiver.http import create_app
from pipeline.logs import configure_logging
from pipeline.settings.loading import settings

_KEEP_ALIVE_SECONDS = 75  # longer than a proxy keeps its idle connections, so that the proxy closes first
_DRAIN_SECONDS = 15
_BACKLOG = 2048
_NOT_STARTED = 3  # as uvicorn's own command ends


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.intake", description="Run the HTTP receiver.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    parser.add_argument("--fd", type=int, help="descriptor of a socket that listens already, in place of host and port")
    chosen = parser.parse_args()
    known = settings()
    configure_logging(known.log_format)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(known),
            host=chosen.host,
            port=chosen.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,  # addresses and query strings of strangers; counts are in /metrics
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    )
    with suppress(KeyboardInterrupt):
        server.run(sockets=None if chosen.fd is None else [socket.socket(fileno=chosen.fd)])
    if not server.started:
        sys.exit(_NOT_STARTED)


if __name__ == "__main__":
    main()
