"""Tells what `afluente explain` found, for people: headings, facts below each other, tables."""

from __future__ import annotations

import json
from typing import Any

from pipeline.cli.terminal.output import as_text, print_facts, print_line, print_table, printable
from pipeline.cli.terminal.pair_story import print_pieces, tell_word
from pipeline.lanes import LANE_BY_FILE, LANE_BY_OPTION

_LANE_REASONS = {LANE_BY_FILE: "as files go", LANE_BY_OPTION: "as import --lane said"}
_BODY_LIMIT = 20_000  # characters of a request's body; --json has all of it


def print_event(found: dict[str, Any]) -> None:
    """An event's story, from its request to the CRM's answers."""
    _heading(f"Event {found['event_id']}: {found['state']}{_because(found)}")
    print_facts(
        {
            "source": f"{found['source']} (brand {found['brand']}, lane {found['lane']}, {_lane_reason(found)})",
            "received": found["received_at"],
            "occurred": found["occurred_at"],
            "ended": found["settled_at"],
            "its own id": found["external_id"],
            "tries": f"claimed {found['attempts']} times, worker lost {found['losses']} times"
            if found["losses"]
            else None,
        }
    )
    _print_request(found)
    _heading("Mapping")
    stored, current = found["mapping"]["stored"], found["mapping"]["current"]
    print_facts({"version": stored or "not mapped yet", "now": current if current != stored else None})
    if stored and current != stored:
        print_line(f"  The mapping has changed since: the fields below are {_made_by(found['state'])}")
    _print_fields(found)
    _print_match(found["match"])
    _print_history(found["notices"])
    _print_touches(found["touches"])
    _print_consents(found["consents"])
    _print_quarantine(found["quarantine"])
    _print_deliveries(found["deliveries"])


def print_person(found: dict[str, Any]) -> None:
    """A person's story: the golden record with the origin of each value, then contacts and CRMs."""
    _heading(f"Person {found['person_id']}: version {found['version']}")
    print_facts(
        {
            "brand": found["brand"],
            "original source": _source_of(found, "original"),
            "latest source": _source_of(found, "latest"),
            "touches": found["touches"],
            "owner": found["owner"],
            "to be routed again": found["rerouted_at"],
            "is one with": found["merged_into"],
            "known since": found["created_at"],
        }
    )
    _heading("Golden record, as it was" if found["merged_into"] else "Golden record")
    print_table(
        ("field", "value", "source", "at", "event"),
        [(one["field"], one["value"], one["source"], one["at"], one["event_id"]) for one in found["fields"]],
    )
    if found["derived"]:
        _heading("Derived values")
        print_table(("field", "value"), list(found["derived"].items()))
    _heading("Events")
    print_table(
        ("event", "source", "state", "occurred", "channel"),
        [(one["event_id"], one["source"], one["state"], one["occurred_at"], one["channel"]) for one in found["events"]],
    )
    _print_history(found["history"])
    _print_touches(found["touch_list"])
    _print_consents(found["consents"])
    if found["consent_state"]:
        _heading("Consent in force")
        columns = ("purpose", "channel", "state")
        print_table(columns, [[one[name].replace("_", " ") for name in columns] for one in found["consent_state"]])
    _print_quarantine(found["quarantine"])
    _print_deliveries(found["deliveries"])


def _lane_reason(found: dict[str, Any]) -> str:
    """Why an event went by its lane: what its request says, else its source decided."""
    request = found["request"]
    lane_by = request["origin"].get("lane_by", "") if request else ""
    return _LANE_REASONS.get(lane_by, "that of its source")


def _print_request(found: dict[str, Any]) -> None:
    _heading("Request")
    request = found["request"]
    if request is None:
        print_line("  its body is gone")
    else:
        print_facts(
            {
                "content type": request["content_type"],
                "size": f"{request['bytes']} bytes",
                "origin": request["origin"],
                **{f"header {name}": value for name, value in request["headers"].items()},
            }
        )
        print_line()
        for line in _readable(request["body"]).splitlines():
            print_line(f"    {line}")
        print_line()
    print_facts({"verification": found["verification"], "repeated": _repeats(found["idempotency"])})


def _print_fields(found: dict[str, Any]) -> None:
    from pipeline.inspection.field_rows import COLUMNS

    _heading("Fields, as the current mapping reads them")
    if found["now"] != "goes on":
        print_line(f"  {found['now']}")
    print_table(COLUMNS, [[row[column] for column in COLUMNS] for row in found["fields"]])


def _print_match(match: dict[str, Any] | None) -> None:
    _heading("Match")
    if match is None:
        print_line("  no person yet")
        return
    print_facts(
        {
            "person": match["person_id"],
            "why": _why(match),
            **{name: value for name, value in match["evidence"].items() if value},
        }
    )
    if match["strongest"]:
        print_line(f"  in common with event {match['strongest']['event_id']}:")
        print_pieces(match["strongest"]["pieces"], match["strongest"]["score"])


def _why(match: dict[str, Any]) -> str:
    if match["reason"] == "new":
        return "the first of its person: nobody known had enough in common with it, or a human took it out"
    if match["reason"] == "same":
        return f"says of who it is just what event {match['same_as']} said"
    if match["reason"] == "human":
        return f"a human said so: {tell_word(match['word'])}"
    return f"known by its {match['reason']}"


def _print_history(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    _heading("Came again, was joined or parted")
    print_table(
        ("at", "what", "person", "other person", "event", "by", "why"),
        [
            (
                *(one[name] for name in ("at", "action", "person_id", "other_id", "event_id", "decided_by")),
                one["details"].get("why"),
            )
            for one in rows
        ],
    )


def _print_touches(touches: list[dict[str, Any]]) -> None:
    _heading("Touches")
    if not touches:
        print_line("  none")
        return
    print_table(
        ("occurred", "source", "channel", "campaign", "medium", "click ids", "referrer", "landing", "event"),
        [
            (
                one["occurred_at"],
                one["source"],
                one["channel"],
                one["campaign"],
                one["medium"] or one["utm_medium"],
                ", ".join(one["click_ids"]) if one["click_ids"] else None,
                one["referrer_host"],
                one["landing_path"],
                one["event_id"],
            )
            for one in touches
        ],
    )


def _print_consents(consents: list[dict[str, Any]]) -> None:
    if not consents:
        return
    _heading("Consent")
    words = {True: "granted", False: "refused", None: "not answered"}
    print_table(
        ("purpose", "channel", "answer", "at", "policy", "event"),
        [
            (one["purpose"], one["channel"], words[one["granted"]], one["at"], one["policy_version"], one["event_id"])
            for one in consents
        ],
    )


def _print_quarantine(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    _heading("Quarantine")
    print_table(
        ("quarantine_id", "since", "stage", "reason", "field", "message", "now"),
        [
            (
                one["quarantine_id"],
                one["created_at"],
                one["stage"],
                one["code"],
                one["field"],
                one["message"],
                f"{one['resolution']}{': ' + one['why'] if one['why'] else ''}",
            )
            for one in rows
        ],
    )


def _print_deliveries(deliveries: list[dict[str, Any]]) -> None:
    _heading("Deliveries")
    if not deliveries:
        print_line("  none wanted")
        return
    for one in deliveries:
        print_line(
            f"  {one['destination']}: {one['state']}, has version {one['sent_version']} of {one['wanted_version']}"
            f"{', its id there is ' + one['external_id'] if one['external_id'] else ''}"
        )
        if one["last_error"]:
            print_line(f"  last error: {one['last_error']}; tried {one['attempts']} times")
        if one["calls"]:
            print_table(
                ("call at", "version", "answer", "code", "message", "call"),
                [
                    (call["at"], call["version"], call["outcome"], call["code"], call["message"], call["call_id"])
                    for call in one["calls"]
                ],
            )


def _heading(text: str) -> None:
    print_line(f"\n{text}")


def _made_by(state: str) -> str:
    if state == "settled":
        return "what the mapping of today makes of it. A settled lead is not mapped again by itself."
    if state == "quarantined":
        return "what a replay would make of it."
    return "what the mapping of today makes of it."


def _because(found: dict[str, Any]) -> str:
    return f" ({found['reason']})" if found["reason"] else ""


def _repeats(keys: list[dict[str, Any]]) -> str:
    if not keys or not keys[0]["repeats"]:
        return "never"
    return f"{keys[0]['repeats']} times, last at {as_text(keys[0]['last_seen_at'])}"


def _source_of(found: dict[str, Any], which: str) -> str | None:
    parts = [found[f"{which}_{what}"] for what in ("source", "channel", "campaign") if found[f"{which}_{what}"]]
    return f"{' / '.join(parts)} at {as_text(found[f'{which}_at'])}" if parts else None


def _readable(body: str) -> str:
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        text = body
    text = printable(text)
    return text if len(text) <= _BODY_LIMIT else f"{text[:_BODY_LIMIT]}\n… {len(text) - _BODY_LIMIT} more; see --json"
