"""`python -m pipeline.intake --port 8080`: runs the receiver in this process until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import gc
import logging
import socket
import sys
from contextlib import suppress

from pipeline.intake.edge.server import EdgeServer
from pipeline.intake.edge.tls import tls_of
from pipeline.intake.receiver.http import create_app
from pipeline.intake.receiver.serving import server_config
from pipeline.logs import configure_logging
from pipeline.settings.loading import settings

_SWITCH_SECONDS = 0.0005
_NOT_STARTED = 3  # the exit code of uvicorn's own command


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.intake", description="Run the HTTP receiver.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    parser.add_argument("--fd", type=int, help="descriptor of a socket that listens already, in place of host and port")
    chosen = parser.parse_args()
    # Bodies are read in threads: the event loop must not wait five milliseconds for each of its turns.
    sys.setswitchinterval(_SWITCH_SECONDS)
    known = settings()
    configure_logging(known.log_format)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app = create_app(known)
    # What is there by now stays. Looked through for garbage again and again, it held everybody for 80 ms each time.
    gc.collect()
    gc.freeze()
    server = EdgeServer(server_config(app, known, host=chosen.host, port=chosen.port), tls_of(known))
    with suppress(KeyboardInterrupt):  # Ctrl-C, after what was under way was answered
        server.run(sockets=None if chosen.fd is None else [socket.socket(fileno=chosen.fd)])
    if not server.started:
        sys.exit(_NOT_STARTED)


if __name__ == "__main__":
    main()
