"""Tells what followed from a human's word on who is who, and whose word it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal.output import print_json, print_line, print_note
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.identity.decisions import Followed
    from pipeline.store.identity.decisions import Decision

Why = Annotated[str | None, typer.Option("--why", help="The reason, kept with it. No personal data.")]
By = Annotated[str | None, typer.Option("--by", help="Whose word it is.", show_default="the user of this terminal")]


def name_of(by: str | None) -> str:
    """`by`, or the user of this terminal. Raises UsageError where that has no name, as in some containers."""
    import getpass

    try:
        return by or getpass.getuser()
    except (KeyError, OSError) as error:
        raise UsageError("whose word is it? Say it with --by NAME") from error


def print_followed(followed: Followed, *, as_json: bool) -> None:
    """What was taken back, and who is whose part now."""
    if as_json:
        print_json(followed_object(followed))
        return
    for decision in _taken_back(followed):
        word = "one person" if decision.same else "two people"
        reason = f" because {decision.why}" if decision.why else ""
        print_line(f"taken back: {word}, said by {decision.decided_by} on {decision.decided_at:%Y-%m-%d}{reason}")
    for merged, target in sorted(followed.joined.items()):
        print_line(f"{merged} is part of {target} now")
    for person_id in followed.parted:
        print_line(f"{person_id} stands for itself now")
    if not (followed.joined or followed.parted):
        print_note("nobody became another person: only leads changed hands")


def followed_object(followed: Followed) -> dict[str, Any]:
    """The same as `--json` prints it."""
    return {
        "person_id": followed.person_id,
        "joined": [{"person_id": merged, "into": target} for merged, target in sorted(followed.joined.items())],
        "parted": followed.parted,
        "took_back": [
            {"same": decision.same, "by": decision.decided_by, "at": decision.decided_at, "why": decision.why}
            for decision in _taken_back(followed)
        ],
    }


def _taken_back(followed: Followed) -> list[Decision]:
    """Each word once, however many pairs it was about."""
    return list({decision.decision_id: decision for decision in followed.took_back}.values())
