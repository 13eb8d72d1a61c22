"""How a replay of settled leads is told: counts, then what changes by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.cli.terminal.output import print_line, print_table
from pipeline.values.counting import count_people

if TYPE_CHECKING:
    from pipeline.recompute.replay_report import Origin, Replayed

_STOPPED_LINES = 20  # on a terminal; --json has up to a thousand


def replayed_as_json(done: Replayed) -> dict[str, Any]:
    """Counts by name, ids of leads that would stop; no value of a lead."""
    return {
        "leads": done.read,
        "mapped_anew": done.mapped_anew,
        "changed": done.changed,
        "other_identity": done.who,
        "people": {"changed": done.people, "joined": done.joined, "parted": done.parted},
        "fields": dict(done.fields.most_common()),
        "touches": [
            {"from": _origin_as_json(before), "to": _origin_as_json(now), "touches": count}
            for (before, now), count in _ordered(done)
        ],
        "consents": done.consents,
        "destinations": {
            name: {"people": crm.people, "written_once": crm.once, "fields": dict(crm.fields.most_common())}
            for name, crm in sorted(done.destinations.items())
        },
        "deliveries": done.deliveries,
        "would_stop": {
            "leads": sum(done.stopped.values()),
            "reasons": [
                {"what": what, "code": code, "leads": count} for (what, code), count in done.stopped.most_common()
            ],
            "listed": [
                {"event_id": str(lead.event_id), "what": lead.what, "code": lead.code, "field": lead.field}
                for lead in done.stopped_leads
            ],
        },
        "unreadable": done.unreadable,
    }


def print_replayed(done: Replayed, *, source: str, is_dry_run: bool) -> None:
    """For people."""
    verb = "would become" if is_dry_run else "became"
    print_line(
        f"{done.read} settled leads of {source}, {done.mapped_anew} of them read by another mapping before:"
        f" {done.changed} {verb} other ones"
    )
    have = "would have" if is_dry_run else "has" if done.people == 1 else "have"
    print_line(
        f"{count_people(done.people)} {have} other values or another source;"
        f" {done.joined} join others, {done.parted} part;"
        f" {done.who} leads say something else of who they are; {done.consents} statements of consent"
    )
    if done.fields:
        print_line()
        print_table(("field", "people"), done.fields.most_common(), numbers=("people",))
    if done.touches:
        print_line()
        print_table(
            ("touches from", "to", "touches"),
            [(_tell(before), _tell(now), count) for (before, now), count in _ordered(done)],
            numbers=("touches",),
        )
    for name, crm in sorted(done.destinations.items()):
        if crm.people:
            print_line(f"\n{name}: another record of {count_people(crm.people)}")
            print_table(("field", "people"), crm.fields.most_common(), numbers=("people",))
            if crm.once:
                print_line(
                    f"  fields written once become others for {crm.once} of them: these are sent again, over what was"
                    " changed there by hand"
                )
    if not is_dry_run:
        print_line(f"\n{done.deliveries} deliveries became due")
    _print_stopped(done)
    if done.unreadable:
        print_line(f"\n{done.unreadable} leads stay as they are: their stored requests are gone")


def _print_stopped(done: Replayed) -> None:
    count = sum(done.stopped.values())
    if not count:
        return
    print_line(f"\n{count} leads would stop if they came today: they keep what they were")
    print_table(
        ("event", "would be", "reason", "field"),
        [(lead.event_id, lead.what, lead.code, lead.field) for lead in done.stopped_leads[:_STOPPED_LINES]],
    )
    if count > _STOPPED_LINES:
        print_line(f"  … {count - _STOPPED_LINES} more; see --json")


def _ordered(done: Replayed) -> list[tuple[tuple[Origin, Origin], int]]:
    return sorted(done.touches.items(), key=lambda item: (-item[1], item[0]))


def _origin_as_json(origin: Origin) -> dict[str, str] | None:
    """None: there was no such touch, or there is none now."""
    if not origin.source:
        return None
    return {"source": origin.source, "medium": origin.medium, "channel": origin.channel}


def _tell(origin: Origin) -> str:
    return f"{origin.source} / {origin.medium}, {origin.channel}" if origin.source else "none"
