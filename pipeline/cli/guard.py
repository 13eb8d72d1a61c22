"""Between a typed command and what it does: who types it, may they, and the entry of those that show or change much.

What each command needs stands in pipeline/permissions/doors.py. Nothing of the store is loaded before a command runs
that needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any
from uuid import UUID

import typer

from pipeline.permissions.doors import ACTS, COMMANDS, LOCAL, OPENS, Door
from pipeline.permissions.sight import CLEAR, MASKED_OUTCOME

if TYPE_CHECKING:
    from pipeline.permissions.principals import Principal

_LOOKED_UP = ("person", "any_id", "one", "text")  # arguments that may be an address or a number, or are an id
_NAMED = ("name", "source")  # arguments that name a part of the installation
_INSTALLATION = "installation"
_NOUNS = {"import": "leads", "explain": "people"}  # of commands of one word, that are not about all of it


class _Visit:
    """One run of a command."""

    def __init__(self, path: str, door: Door, options: dict[str, Any], principal: Principal) -> None:
        self.path, self.door, self.options, self.principal = path, door, options, principal
        self.is_masked = False
        self.is_recorded = not self.leaves_an_entry

    @property
    def leaves_an_entry(self) -> bool:
        door, options = self.door, self.options
        if door.does not in (OPENS, ACTS) or any(options.get(name) for name in door.is_harmless_with):
            return False
        return door.acts_with is None or bool(options.get(door.acts_with))


_visit: ContextVar[_Visit | None] = ContextVar("visit", default=None)


def guard(path: str, command: Any) -> None:
    """Put the check in front of a command and of those below it."""
    for name, child in getattr(command, "commands", {}).items():
        guard(f"{path} {name}".strip(), child)
    if command.callback is not None and not hasattr(command, "commands"):
        command.callback = _guarded(path, command.callback)


def _guarded(path: str, callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def run(*arguments: Any, **options: Any) -> Any:
        from pipeline.audit.acting import acting_as
        from pipeline.audit.machine import os_actor
        from pipeline.cli.command_socket import refuse_files, socket_of_commands
        from pipeline.console.command_socket.client import run_there
        from pipeline.console.command_socket.typists import typist_here

        door = COMMANDS[path]
        typist = typist_here()
        if typist is not None:
            refuse_files(door, options)
        elif door.does == LOCAL:
            with acting_as(os_actor()):
                return callback(*arguments, **options)
        elif (socket := socket_of_commands()) is not None:
            raise typer.Exit(run_there(socket, sys.argv[1:]))
        from pipeline.permissions.sight import masked_sight
        from pipeline.service_keys.bearers import principal_at_terminal

        principal = typist.principal() if typist is not None else principal_at_terminal()
        visit = _Visit(path, door, options, principal)
        token = _visit.set(visit)
        try:
            with acting_as(principal.actor):
                visit.is_masked = not _require(principal, door, path, options)
                with masked_sight(is_masked=visit.is_masked):
                    return callback(*arguments, **options)
        finally:
            _visit.reset(token)

    return run


def record_visit() -> None:
    """Called before a command opens the installation: its entry is in the audit log from here on, if it leaves one."""
    visit = _visit.get()
    if visit is not None and not visit.is_recorded:
        _record(visit, MASKED_OUTCOME if visit.is_masked and visit.door.masked else "done")
        visit.is_recorded = True


def who_types() -> Principal:
    """Who types the command that runs, for what asks again: what is given to others. For commands behind the check."""
    visit = _visit.get()
    if visit is None:
        raise RuntimeError("asked outside of a command that is checked")
    return visit.principal


def _require(principal: Principal, door: Door, path: str, options: dict[str, Any]) -> bool:
    """Whether they see people's values as they are. Raises ForbiddenError, with an entry that says who tried."""
    from pipeline.errors import ForbiddenError
    from pipeline.permissions.principals import may, require, require_source

    brand = _text(options.get("brand"))
    try:
        if door.permission is not None and not (door.masked is not None and may(principal, door.masked, brand)):
            require(principal, door.permission, brand)
        require_source(principal, _text(options.get("source")), is_bounded=door.is_bounded_by_source)
    except ForbiddenError:
        _record(_Visit(path, door, options, principal), "refused")
        raise
    return may(principal, CLEAR, brand)


def _record(visit: _Visit, outcome: str) -> None:
    from pipeline.audit.entries import digest_of_value, record_action
    from pipeline.store.engine import transaction

    brand = _text(visit.options.get("brand"))
    kind, object_id = _object_of(visit)
    if kind == "lookup":
        object_id = digest_of_value(brand, kind, object_id)
    with transaction() as connection:
        record_action(
            connection, action_of(visit.path), brand=brand, object_kind=kind, object_id=object_id, outcome=outcome
        )


def _text(option: Any) -> str | None:
    """An option that names one thing: where a command takes several it is about all of them."""
    return option if isinstance(option, str) else None


def action_of(path: str) -> str:
    """`people review list` -> `review.list`."""
    *nouns, verb = path.replace("-", "_").split()
    return f"{nouns[-1] if nouns else _NOUNS.get(verb, _INSTALLATION)}.{verb}"


def _object_of(visit: _Visit) -> tuple[str | None, str | None]:
    """What the command is about: `id` with an id, `lookup` with what was looked up, or a part with its name."""
    for option in _LOOKED_UP:
        if text := visit.options.get(option):
            try:
                return "id", str(UUID(str(text).strip()))
            except ValueError:
                return "lookup", str(text)
    for option in _NAMED:
        if text := visit.options.get(option):
            noun = visit.path.split()[0]
            return ("source" if option == "source" or noun == "import" else noun), str(text)
    return None, None
