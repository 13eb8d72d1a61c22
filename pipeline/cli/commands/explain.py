"""`afluente explain`: everything that is known of one lead or one person, in the order in which it happened; of two,
why they are one person or are not.
"""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database
from pipeline.cli.terminal.output import AsJson, example, print_json

commands = typer.Typer()


@commands.command(
    epilog=example(
        "afluente explain 01930000-0000-7000-8000-000000000000",
        "afluente explain ada.sample@example.com",
        "afluente explain 01930000-0000-7000-8000-000000000000 --json",
        "afluente explain 01930000-0000-7000-8000-000000000000 01930000-0000-7000-8000-000000000001",
        "afluente explain ada.sample@example.com ben.example@example.org",
    )
)
def explain(
    *,
    any_id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Id of an event, a person or a quarantined thing; or an e-mail address, a phone number, the id that a"
            " source or a CRM gave.",
        ),
    ],
    other_id: Annotated[
        str | None,
        typer.Argument(
            metavar="OTHER", help="A second one, named in any of these ways: why the two are one person, or are not."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a lead, and why.

    Request, verification, mapping, each field before and after, match, touches, CRM calls and answers. The request and
    the fields are personal data: they are opened for you and go nowhere but to this terminal.

    Of two ids: every piece of evidence that the two have in common or against each other, with its weight, what
    forbids making them one, and by which leads they hang together.

    An address, a number or a foreign id is looked up; where several are known by it, they are listed.
    """
    from pipeline.cli.terminal.pair_story import print_forward
    from pipeline.cli.terminal.story import print_event, print_found, print_person
    from pipeline.inspection.finding import find
    from pipeline.inspection.stories import EventStory, tell_story

    if other_id is not None:
        _explain_pair(any_id, other_id, as_json=as_json)
        return
    with database(timeout_seconds=0) as connection:
        found = find(connection, any_id)
        story = tell_story(connection, found[0].id) if len(found) == 1 else None
    if story is None:
        print_json({"kind": "several", "found": found}) if as_json else print_found(found)
        return
    if as_json:
        print_json(story)
    elif isinstance(story, EventStory):
        print_event(story)
    else:
        if story.forward:
            print_forward(story.forward)
        print_person(story)


def _explain_pair(one: str, other: str, *, as_json: bool) -> None:
    from pipeline.cli.terminal.pair_story import print_pair
    from pipeline.inspection.finding import find_one
    from pipeline.inspection.pairs import explain_pair

    with database() as connection:
        pair = explain_pair(connection, find_one(connection, one), find_one(connection, other))
    print_json(pair) if as_json else print_pair(pair)
