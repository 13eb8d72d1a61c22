"""`celery -A pipeline.app …` as `afluente up` starts it: whatever else lies in the current folder is left alone.

Celery puts the current folder first on the import path while it looks for modules, unless the folder is on the path
already. There it comes last here, so that a `pipeline/` or a `redbeat.py` of another project is not taken for ours.
"""

from __future__ import annotations

import os
import socket
import sys

from celery.__main__ import main

LISTEN_VARIABLE = "LISTENING_SOCKET_FD"


def _listen_on(descriptor: int) -> None:
    """Let Flower, which binds by itself, serve on a socket that listens already."""
    import flower.app

    listening = socket.socket(fileno=descriptor)
    listening.settimeout(0)  # as Tornado makes those that it binds
    flower.app.bind_sockets = lambda *_, **__: [listening]


if __name__ == "__main__":
    if LISTEN_VARIABLE in os.environ:
        _listen_on(int(os.environ.pop(LISTEN_VARIABLE)))
    sys.path.append(os.getcwd())  # noqa: PTH109 - the very text that Celery compares
    main()
