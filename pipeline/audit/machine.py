"""The account that runs this process: who acts where nobody showed a key."""

from __future__ import annotations

import getpass
import os
import socket

from pipeline.records.actors import Actor


def os_actor() -> Actor:
    """The account that runs this process, at this machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        name = f"uid-{os.getuid()}"
    return Actor("os_user", f"{name}@{socket.gethostname()}", name, "os")
