"""`afluente explain`: everything that is known of one lead or one person, in the order in which it happened; of two,
why they are one person or are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from pipeline.cli.terminal.connection import database, parse_id
from pipeline.cli.terminal.output import AsJson, CommandError, example, print_json

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.inspection.recomputed import Recomputed

commands = typer.Typer()


@commands.command(
    epilog=example(
        "afluente explain 01930000-0000-7000-8000-000000000000",
        "afluente explain 01930000-0000-7000-8000-000000000000 --json",
        "afluente explain 01930000-0000-7000-8000-000000000000 01930000-0000-7000-8000-000000000001",
    )
)
def explain(
    *,
    any_id: Annotated[
        str, typer.Argument(metavar="ID", help="Id of an event or a person; of a quarantined thing too.")
    ],
    other_id: Annotated[
        str | None,
        typer.Argument(metavar="OTHER", help="A second event or person: why the two are one person, or are not."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a lead, and why.

    Request, verification, mapping, each field before and after, match, touches, CRM calls and answers. The request and
    the fields are personal data: they are opened for you and go nowhere but to this terminal.

    Of two ids: every piece of evidence that the two have in common or against each other, with its weight, what
    forbids making them one, and by which leads they hang together.
    """
    from pipeline.cli.terminal.pair_story import print_forward, print_pair
    from pipeline.cli.terminal.story import print_event, print_person

    if other_id is not None:
        pair = _pair(parse_id(any_id), parse_id(other_id))
        print_json(pair) if as_json else print_pair(pair)
        return
    with database() as connection:
        found = _explain(connection, parse_id(any_id))
    if as_json:
        print_json(found)
    elif found["kind"] == "event":
        print_event(found)
    else:
        if found["forward"]:
            print_forward(found["forward"])
        print_person(found)


def _pair(one: UUID, other: UUID) -> dict[str, Any]:
    from pipeline.errors import RecordError
    from pipeline.inspection.pairs import explain_pair

    with database() as connection:
        try:
            return explain_pair(connection, one, other)
        except RecordError as error:
            raise CommandError(error.message) from None


def _explain(connection: Connection, any_id: UUID) -> dict[str, Any]:
    from pipeline.inspection.merges import tell_reasons
    from pipeline.store.events.quarantine import show_quarantine
    from pipeline.store.reports import explain_event, explain_person, find_kind

    kind = find_kind(connection, any_id)
    if kind == "quarantine":
        row = show_quarantine(connection, any_id)
        if row is not None:
            kind, any_id = ("event", row.event_id) if row.event_id else ("person", row.person_id or any_id)
    if kind == "event":
        facts = explain_event(connection, any_id)
        if facts is not None:
            return _event_story(connection, any_id, facts)
    if kind == "person":
        facts = explain_person(connection, any_id)
        if facts is not None:
            return {
                "kind": "person",
                **_person_story(facts),
                "history": tell_reasons(connection, facts["history"]),
                "forward": _forward(connection, any_id),
                "consent_state": _consent_state(connection, any_id),
            }
    raise CommandError(
        f"no event, person or quarantined thing has the id {any_id}: ids stand in `afluente leads export` and"
        " `afluente people export`"
    )


def _event_story(connection: Connection, event_id: UUID, facts: dict[str, Any]) -> dict[str, Any]:
    from pipeline.inspection.pairs import explain_match
    from pipeline.inspection.recomputed import recompute

    event = facts["event"]
    found = recompute(connection, [event_id]).get(event_id)
    person = facts["person"]
    return {
        "kind": "event",
        **{name: event[name] for name in _EVENT_FACTS},
        "request": _request(found) if found else None,
        "verification": _verification(found) if found else None,
        "idempotency": [
            {"repeats": key["repeats"], "last_seen_at": key["last_seen_at"], "digest": key["digest"]}
            for key in facts["keys"]
        ],
        "mapping": {
            "stored": event["mapping_version"],
            "current": found.mapping.version if found else None,
        },
        "now": found.verdict if found else "its body is gone",
        "fields": found.fields() if found else [],
        "match": explain_match(connection, event_id, [one["event_id"] for one in person["events"]]) if person else None,
        "notices": [one for one in person["history"] if one["event_id"] == event_id] if person else [],
        "touches": facts["touches"],
        "consents": facts["consents"],
        "quarantine": facts["quarantine"],
        "deliveries": _deliveries(person) if person else [],
    }


_EVENT_FACTS = (
    "event_id",
    "source",
    "brand",
    "lane",
    "state",
    "reason",
    "stage",
    "external_id",
    "received_at",
    "occurred_at",
    "settled_at",
    "attempts",
    "losses",
    "channel",
    "person_id",
)


def _request(found: Recomputed) -> dict[str, Any]:
    envelope = found.raw.envelope
    return {
        "content_type": envelope.content_type,
        "bytes": len(envelope.body),
        "headers": envelope.headers,
        "origin": {name: value for name, value in envelope.origin.items() if name != "verified_by"},
        "body": envelope.body.decode("utf-8", "replace"),
    }


def _verification(found: Recomputed) -> str:
    """How it was known to come from the source. What failed the check was answered with 401 and never stored."""
    origin = found.raw.envelope.origin
    if origin.get("verified_by"):
        return f"signature held ({origin['verified_by']})"
    if origin.get("via") == "api":
        return f"API key {origin.get('key')}"
    if origin.get("via") == "webhook":
        return "none: this source does not sign its requests"
    return "none needed: read by Afluente itself or given by an operator"


def _person_story(facts: dict[str, Any]) -> dict[str, Any]:
    from pipeline.values.derived import derive

    person = facts["person"]
    return {
        **person,
        "fields": [
            {"field": name, "value": one.value, "source": one.source, "event_id": one.event_id, "at": one.at}
            for name, one in facts["profile"].fields.items()
        ],
        "derived": derive(facts["profile"].values()),
        "events": facts["events"],
        "touch_list": facts["touches"],
        "consents": facts["consents"],
        "quarantine": facts["quarantine"],
        "deliveries": _deliveries(facts),
    }


def _forward(connection: Connection, person_id: UUID) -> dict[str, Any] | None:
    """Whom an id that was merged away stands for, with the leads that are its own."""
    from pipeline.inspection.merges import find_forward
    from pipeline.store.reports import explain_person

    found = find_forward(connection, person_id)
    if found is None:
        return None
    story = dict(found.story)
    own, now = set(story.pop("event_ids")), explain_person(connection, story["into"])
    return {**story, "leads": [lead for lead in now["events"] if lead["event_id"] in own] if now else []}


def _consent_state(connection: Connection, person_id: UUID) -> list[dict[str, str]]:
    """What counts of all that was said: the strictest."""
    from pipeline.privacy.person_consents import consent_state_of

    return [
        {"purpose": purpose, "channel": channel, "state": state}
        for (purpose, channel), state in consent_state_of(connection, person_id).items()
    ]


def _deliveries(person: dict[str, Any]) -> list[dict[str, Any]]:
    """Each CRM with the calls that carried this person."""
    return [
        {
            **{name: delivery[name] for name in _DELIVERY_FACTS},
            "calls": [
                {name: call[name] for name in ("at", "version", "outcome", "code", "message", "call_id")}
                for call in person["delivery_log"]
                if call["destination"] == delivery["destination"]
            ],
        }
        for delivery in person["deliveries"]
    ]


_DELIVERY_FACTS = (
    "destination",
    "state",
    "wanted_version",
    "sent_version",
    "external_id",
    "attempts",
    "next_attempt_at",
    "last_error",
    "loaded_at",
)
