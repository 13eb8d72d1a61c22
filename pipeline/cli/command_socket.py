"""Commands that the console runs for accounts without the database: which way one goes, and what may not go so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigurationError, ForbiddenError
from pipeline.permissions.doors import LOCAL, Door

_STREAM = Path("-")
_WRITES_RULES = "accept"  # of `import`: a mapping, in the company's folder


def socket_of_commands() -> str | None:
    """Where commands are to be handed over: the variable, or the settings where nobody shows a key. None: they run
    here."""
    from pipeline.settings.loading import named_socket, settings

    if path := named_socket(os.environ):
        return path
    try:
        known = settings()
    except ConfigurationError:
        return None  # the command says so itself
    return known.access.socket if known.access.command_line == "socket" and not known.terminal_token() else None


def refuse_files(door: Door, options: dict[str, Any]) -> None:
    """Raises ForbiddenError for a command that the console must not run for another: it would read and write files with
    the console's rights, not with those of whoever types."""
    if door.does == LOCAL:
        raise ForbiddenError("this is for the account that runs Afluente, not for the socket")
    if any(path != _STREAM for path in _paths(options.values())):
        raise ForbiddenError("files are not opened through the socket: use - or leave it out, and < FILE or > FILE")
    if options.get(_WRITES_RULES):
        raise ForbiddenError("mappings are not written through the socket: import without --accept")


def _paths(values: Any) -> Iterator[Path]:
    for value in values:
        if isinstance(value, Path):
            yield value
        elif isinstance(value, list | tuple):
            yield from _paths(value)
