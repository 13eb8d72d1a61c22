"""Tells what `afluente explain` found, for people: headings, facts below each other, tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.cli.terminal.output import as_text, print_facts, print_line, print_table, printable
from pipeline.cli.terminal.pair_story import print_activities, print_pieces, tell_word
from pipeline.cli.terminal.trials import print_fields
from pipeline.lanes import LANE_BY_FILE, LANE_BY_OPTION
from pipeline.values.counting import counted

if TYPE_CHECKING:
    from pipeline.inspection.finding import Found
    from pipeline.inspection.stories import EventStory, PersonStory, TouchRow
    from pipeline.inspection.story_parts import (
        ConsentAnswer,
        Delivery,
        KeyUse,
        LogLine,
        Match,
        QuarantineEntry,
    )

_LANE_REASONS = {LANE_BY_FILE: "as files go", LANE_BY_OPTION: "as import --lane said"}
_NO_DESTINATION = "none wanted: no enabled destination of afluente.yaml is for the brand {}"
_BODY_LIMIT = 20_000  # characters of a request's body; --json has all of it


def print_event(story: EventStory) -> None:
    """An event's story, from its request to the CRM's answers."""
    _heading(f"Event {story.event_id}: {story.state}{f' ({story.reason})' if story.reason else ''}")
    print_facts(
        {
            "source": f"{story.source} (brand {story.brand}, lane {story.lane}, {_lane_reason(story)})",
            "received": story.received_at,
            "occurred": story.occurred_at,
            "ended": story.settled_at,
            "its own id": story.external_id,
            "tries": f"claimed {counted(story.attempts, 'time')}, worker lost {counted(story.losses, 'time')}"
            if story.losses
            else None,
        }
    )
    _print_request(story)
    _print_fetched(story)
    _heading("Mapping")
    stored, current = story.mapping.stored, story.mapping.current
    print_facts({"version": stored or "not mapped yet", "now": current if current != stored else None})
    if stored and current != stored:
        print_line(f"  The mapping has changed since: the fields below are {_made_by(story.state)}")
        if story.state == "settled" and story.superseded_by is None:
            print_line(f"  To have it say them: afluente leads replay --settled --source {story.source} --dry-run")
    _print_fields(story)
    _print_match(story.match)
    _print_history(story.notices)
    is_told = story.activity is not None and story.activity.state != "also"
    print_activities([story.activity] if story.activity else [])
    if not is_told:
        _print_touches(story.touches)
    _print_consents(story.consents)
    _print_quarantine(story.quarantine)
    _print_revisions(story)
    if is_told:
        return
    is_settled = story.state == "settled"
    none = (
        _NO_DESTINATION.format(story.brand) if is_settled else "none wanted yet: that is decided when the lead settles"
    )
    _print_deliveries(story.deliveries, story.not_wanted, none)


def print_person(story: PersonStory) -> None:
    """A person's story: the golden record with the origin of each value, then contacts and CRMs."""
    _heading(f"Person {story.person_id}: version {story.version}")
    print_facts(
        {
            "brand": story.brand,
            "original source": _source_of(story, "original"),
            "latest source": _source_of(story, "latest"),
            "touches": story.touches,
            "owner": story.owner,
            "to be routed again": story.rerouted_at,
            "is one with": story.merged_into,
            "known since": story.created_at,
        }
    )
    _heading("Golden record, as it was" if story.merged_into else "Golden record")
    print_table(
        ("field", "value", "source", "at", "event"),
        [(golden.field, golden.value, golden.source, golden.at, golden.event_id) for golden in story.fields],
        expendable=("event", "at", "source"),
    )
    if story.derived:
        _heading("Derived values")
        print_table(("field", "value"), list(story.derived.items()))
    _heading("Events")
    print_table(
        ("event", "source", "state", "occurred", "channel"),
        [(lead.event_id, lead.source, lead.state, lead.occurred_at, lead.channel) for lead in story.events],
    )
    _print_history(story.history)
    _print_touches(story.touch_list)
    print_activities(story.activities)
    _print_consents(story.consents)
    if story.consent_state:
        _heading("Consent in force")
        print_table(
            ("purpose", "channel", "state"),
            [
                [word.replace("_", " ") for word in (consent.purpose, consent.channel, consent.state)]
                for consent in story.consent_state
            ],
        )
    _print_quarantine(story.quarantine)
    none = "none wanted" if story.merged_into else _NO_DESTINATION.format(story.brand)
    _print_deliveries(story.deliveries, story.not_wanted, none)


def print_found(found: Sequence[Found]) -> None:
    """Whom a text may mean, if it is not one."""
    print_line(f"{len(found)} {'is' if len(found) == 1 else 'are'} known by this; see one with `afluente explain ID`:")
    print_table(
        ("id", "what", "brand", "name", "email", "source", "known by"),
        [
            (match.id, match.kind, match.brand, match.name, match.email, match.source, match.by.replace("_", " "))
            for match in found
        ],
    )


def _print_revisions(story: EventStory) -> None:
    """The chain of a record that came with several contents; nothing where it has one."""
    if not story.revisions:
        return
    _heading("Revisions of this record")
    if story.superseded_by:
        print_line(f"  event {story.superseded_by} took the place of this one: what it says counts no more")
    print_table(
        ("event", "received", "state", "revises", "superseded by"),
        [
            (revision.event_id, revision.received_at, revision.state, revision.revises, revision.superseded_by)
            for revision in story.revisions
        ],
    )


def _lane_reason(story: EventStory) -> str:
    """Why an event went by its lane: what its request says, else its source decided."""
    lane_by = story.request.origin.get("lane_by", "") if story.request else ""
    return _LANE_REASONS.get(lane_by, "that of its source")


def _print_request(story: EventStory) -> None:
    _heading("Request")
    if (request := story.request) is None:
        print_line("  its body is gone")
    else:
        print_facts(
            {
                "content type": request.content_type,
                "size": f"{request.bytes} bytes",
                "origin": request.origin,
                **{f"header {name}": value for name, value in request.headers.items()},
            }
        )
        _print_body(request.body)
    print_facts({"verification": story.verification, "repeated": _repeats(story.idempotency)})


def _print_fetched(story: EventStory) -> None:
    """What was read from the source by the id that came; nothing where the request brought it all."""
    if story.fetched is not None:
        _heading("Read from the source by the id that came")
        print_facts({"size": f"{story.fetched.bytes} bytes", "origin": story.fetched.origin})
        _print_body(story.fetched.body)


def _print_body(body: str) -> None:
    print_line()
    for line in _readable(body).splitlines():
        print_line(f"    {line}")
    print_line()


def _print_fields(story: EventStory) -> None:
    _heading("Fields, as the current mapping reads them")
    if story.now != "goes on":
        print_line(f"  {story.now}")
    print_fields(story.fields)


def _print_match(match: Match | None) -> None:
    _heading("Match")
    if match is None:
        print_line("  no person yet")
        return
    print_facts(
        {
            "person": match.person_id,
            "why": _why(match),
            **{name: value for name, value in match.evidence.items() if value},
        }
    )
    if match.strongest:
        print_line(f"  in common with event {match.strongest['event_id']}:")
        print_pieces(match.strongest["pieces"], match.strongest["score"])


def _why(match: Match) -> str:
    if match.reason == "new":
        return "the first of its person: nobody known had enough in common with it, or a human took it out"
    if match.reason == "same":
        return f"says of who it is just what event {match.same_as} said"
    if match.word:
        return f"a human said so: {tell_word(match.word)}"
    return f"known by its {match.reason}"


def _print_history(rows: list[LogLine]) -> None:
    if not rows:
        return
    _heading("Came again, was joined or parted")
    print_table(
        ("at", "what", "person", "other person", "event", "by", "why"),
        [
            (
                *(line.at, line.action, line.person_id, line.other_id, line.event_id, line.decided_by),
                line.details.get("why"),
            )
            for line in rows
        ],
    )


def _print_touches(touches: list[TouchRow]) -> None:
    _heading("Touches")
    if not touches:
        print_line("  none")
        return
    print_table(
        ("occurred", "source", "channel", "campaign", "medium", "click ids", "referrer", "landing", "event"),
        [
            (
                touch["occurred_at"],
                touch["source"],
                touch["channel"],
                touch["campaign"],
                touch["medium"] or touch["utm_medium"],
                ", ".join(touch["click_ids"]) if touch["click_ids"] else None,
                touch["referrer_host"],
                touch["landing_path"],
                touch["event_id"],
            )
            for touch in touches
        ],
    )


def _print_consents(consents: list[ConsentAnswer]) -> None:
    if not consents:
        return
    _heading("Consent")
    words = {True: "granted", False: "refused", None: "not answered"}
    print_table(
        ("purpose", "channel", "answer", "at", "policy", "event"),
        [
            (
                *(consent.purpose, consent.channel, words[consent.granted]),
                *(consent.at, consent.policy_version, consent.event_id),
            )
            for consent in consents
        ],
    )


def _print_quarantine(rows: list[QuarantineEntry]) -> None:
    if not rows:
        return
    _heading("Quarantine")
    print_table(
        ("quarantine_id", "since", "stage", "reason", "field", "message", "now"),
        [
            (
                *(row.quarantine_id, row.created_at, row.stage, row.code, row.field, row.message),
                f"{row.resolution}{': ' + row.why if row.why else ''}",
            )
            for row in rows
        ],
    )


def _print_deliveries(deliveries: list[Delivery], not_wanted: Mapping[str, str], none: str) -> None:
    _heading("Deliveries")
    for name, why in not_wanted.items():
        print_line(f"  {name}: {why}")
    if not deliveries and not not_wanted:
        print_line(f"  {none}")
    for delivery in deliveries:
        print_line(
            f"  {delivery.destination}: {delivery.state}, has version {delivery.sent_version} of"
            f" {delivery.wanted_version}{', its id there is ' + delivery.external_id if delivery.external_id else ''}"
        )
        if delivery.waits:
            print_line(f"  waits: {delivery.waits}")
        if delivery.last_error:
            print_line(f"  last error: {delivery.last_error}; tried {counted(delivery.attempts, 'time')}")
        if delivery.calls:
            print_table(
                ("call at", "version", "answer", "code", "message", "call"),
                [
                    (call.at, call.version, call.outcome, call.code, call.message, call.call_id)
                    for call in delivery.calls
                ],
            )


def _heading(text: str) -> None:
    print_line(f"\n{text}")


def _made_by(state: str) -> str:
    if state == "quarantined":
        return "what a replay would make of it."
    again = " A settled lead is not mapped again by itself." if state == "settled" else ""
    return f"what the mapping of today makes of it.{again}"


def _repeats(keys: list[KeyUse]) -> str:
    if not keys or not keys[0].repeats:
        return "never"
    return f"{counted(keys[0].repeats, 'time')}, last at {as_text(keys[0].last_seen_at)}"


def _source_of(story: PersonStory, which: str) -> str | None:
    """Of the original or the latest touch, as people read it."""
    parts = [getattr(story, f"{which}_{what}") for what in ("source", "channel", "campaign")]
    shown = [part for part in parts if part]
    return f"{' / '.join(shown)} at {as_text(getattr(story, f'{which}_at'))}" if shown else None


def _readable(body: str) -> str:
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        text = body
    text = printable(text)
    return text if len(text) <= _BODY_LIMIT else f"{text[:_BODY_LIMIT]}\n… {len(text) - _BODY_LIMIT} more; see --json"
