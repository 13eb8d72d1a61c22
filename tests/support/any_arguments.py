"""Arguments for any command: something for each that it cannot do without."""

from __future__ import annotations

from uuid import UUID

from pipeline.cli.reference import walk_commands

SOME_ID = UUID("01930000-0000-7000-8000-000000000000")
NOT_THERE = "not_there"  # a name that nothing has
_WANTED = {"values": "email=ada.sample@example.org", "reason": "objection"}


def arguments_of(path: str) -> list[str]:
    """For `people find` and the like: ids where it wants arguments, names that nothing has where it wants options."""
    command = dict(walk_commands())[path]
    given: list[str] = []
    for parameter in command.params:
        if parameter.param_type_name == "argument" and parameter.required:
            given.append("7" if path.startswith("people review") else str(SOME_ID))
        elif parameter.required:
            given += [parameter.opts[0], _WANTED.get(parameter.name, NOT_THERE)]
    return given


def path_of(path: str) -> str:
    """A route's path with something in place of each parameter, which leads to nothing."""
    return path.format(
        brand="default",
        source="api",
        event_id=SOME_ID,
        person_id=SOME_ID,
        request_id=SOME_ID,
        hook_id="hook_none",
        event="lead.settled",
        token="nobodys",
    )
