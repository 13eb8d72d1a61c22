"""Tells what followed from a human's word on who is who, and whose word it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal.output import print_json, print_line, print_note

if TYPE_CHECKING:
    from pipeline.identity.decisions import DecisionResult
    from pipeline.store.identity.decisions import Link

Why = Annotated[str | None, typer.Option("--why", help="The reason, kept with it. No personal data.")]
By = Annotated[
    str | None,
    typer.Option("--by", help="Whose word it is. The audit log says who typed it.", show_default="who is typing"),
]


def name_of(by: str | None) -> str:
    """`by`, or who is typing. Whatever is said here, the audit log has who was typing."""
    from pipeline.audit.acting import current_actor

    return by or current_actor().name


def print_result(result: DecisionResult, *, as_json: bool) -> None:
    """What was taken back, and who is whose part now."""
    if as_json:
        print_json(result_object(result))
        return
    for link in _taken_back(result):
        word = "one person" if link.same else "two people"
        reason = f" because {link.why}" if link.why else ""
        print_line(f"taken back: {word}, said by {link.decided_by} on {link.decided_at:%Y-%m-%d}{reason}")
    for merged, target in sorted(result.joined.items()):
        print_line(f"{merged} is part of {target} now")
    for person_id in result.parted:
        print_line(f"{person_id} stands for itself now")
    if not (result.joined or result.parted):
        print_note("nobody became another person: only leads changed hands")


def result_object(result: DecisionResult) -> dict[str, Any]:
    """The same as `--json` prints it."""
    return {
        "person_id": result.person_id,
        "joined": [{"person_id": merged, "into": target} for merged, target in sorted(result.joined.items())],
        "parted": result.parted,
        "took_back": [
            {"same": link.same, "by": link.decided_by, "at": link.decided_at, "why": link.why}
            for link in _taken_back(result)
        ],
    }


def _taken_back(result: DecisionResult) -> list[Link]:
    """Each decision once, however many pairs it was about."""
    from pipeline.identity.decisions import one_link_each

    return one_link_each(result.took_back)
