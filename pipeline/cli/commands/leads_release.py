"""`afluente leads release`: a suppressed lead that is real gets on its way."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.terminal.connection import database, parse_id
from pipeline.cli.terminal.output import AsJson, CommandError, example, print_json, print_line

commands = typer.Typer()


@commands.command(
    "release",
    epilog=example(
        "afluente leads release 01930000-0000-7000-8000-000000000000 --why 'their form has a field named hp'"
    ),
)
def release(
    *,
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="Id of the suppressed lead's event.")],
    why: Annotated[str, typer.Option("--why", help="The reason, kept with it. No personal data.")],
    as_json: AsJson = False,
) -> None:
    """Say that a lead is real which was suppressed as test or spam.

    It is worked on again from the request as it was stored, and no rule of mappings/validation.yaml or of its source's
    mapping stops it a second time. Who was erased or has not consented stays suppressed.
    """
    from pipeline.hints import hint_all
    from pipeline.stages.validation.rules import NOTHING_TO_IDENTIFY, RULES
    from pipeline.store.events.releases import RELEASABLE_REASONS, release_event

    if not why.strip():
        raise CommandError("--why needs a text: whoever looks at this later has nothing else", exit_code=2)
    with database() as connection:
        rules = [rule for rule in RULES if rule != NOTHING_TO_IDENTIFY]  # what nobody can be found by stays so
        found = release_event(connection, parse_id(event_id), why, rules=rules)
    if found is None:
        raise CommandError(f"no event has the id {event_id}: `afluente leads export` shows what has")
    if not found.is_done:
        if found.state == "quarantined":
            raise CommandError(f"{event_id} is quarantined: `afluente quarantine show {event_id}` says what helps")
        if found.state == "suppressed":
            allowed = " and ".join(RELEASABLE_REASONS)
            raise CommandError(f"{event_id} is suppressed as {found.reason}: only {allowed} can be released")
        raise CommandError(f"{event_id} is {found.state}, not suppressed: there is nothing to release")
    hint_all()
    if as_json:
        print_json({"released": event_id, "reason": found.reason})
    else:
        print_line(f"released {event_id}, which was {found.state}{f' as {found.reason}' if found.reason else ''}")
