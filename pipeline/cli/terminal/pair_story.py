"""Tells why two leads are one person, or are not: what speaks for it and against it, piece by piece.

And whose it is what was told of somebody beside leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.cli.terminal.output import as_object, as_text, print_facts, print_line, print_table

if TYPE_CHECKING:
    from pipeline.inspection.story_parts import ForwardedId, ToldOfSomebody

_VERDICTS = {
    "same": "one person, unless something forbids it",
    "review": "for a human to say",
    "apart": "two people",
}
_VETOES = {
    "human": "a human said that they are two people",
    "names": "other leads of the two have names that cannot be one person's",
    "mailboxes": "they have two mailboxes of one employer",
}


def print_pair(pair: dict[str, Any]) -> None:
    """What `explain_pair` found: the two, every piece of evidence, the verdict, what forbids it, the way between."""
    print_line("They are one person." if pair["are_one_person"] else "They are two people.")
    for forward in pair["forwards"]:
        print_line(tell_forward(forward))
    for name in ("one", "other"):
        side = pair[name]
        print_line(f"\n{name.capitalize()}: {side['id']}")
        print_facts({"event": side["event_id"], "person": side["person_id"], **_said(side)})
    print_line("\nEvidence of the two, in bits")
    if pair["is_same_evidence"]:
        print_line("  they say exactly the same of who they are")
    print_pieces(pair["pieces"], pair["score"])
    thresholds = pair["thresholds"]
    print_facts(
        {
            "by weight": f"{_VERDICTS[pair['verdict']]} (one person from {thresholds['same']:g}, a human asked from"
            f" {thresholds['review']:g}, sure from {thresholds['certain']:g})",
            "compared": None if pair["share_a_key"] else "never by themselves: they share no key",
            "a human said": f"{pair['decision']}, {tell_word(pair['word'])}" if pair["word"] else None,
        }
    )
    _print_veto(pair["veto"])
    _print_chain(pair["chain"])


def print_pieces(pieces: list[dict[str, Any]], score: float) -> None:
    """Each piece with its weight and what the two say there; the sum below, and how many use what is shared."""
    print_table(
        ("evidence", "weight", "one", "other"),
        [(piece["kind"], f"{piece['weight']:+g}", piece["one"], piece["other"]) for piece in pieces]
        + [("together", f"{score:+g}", None, None)],
        numbers=("weight",),
    )
    for piece in pieces:
        if piece["note"]:
            print_line(f"  {piece['kind']} {piece['weight']:g}: {piece['note']}")


def print_forward(forward: ForwardedId) -> None:
    """Whom an id that was merged away stands for, and the leads that are its own."""
    print_line(tell_forward(as_object(forward)))
    print_line("\nIts own leads")
    print_table(
        ("event", "source", "state", "occurred"),
        [(lead.event_id, lead.source, lead.state, lead.occurred_at) for lead in forward.leads],
    )


def tell_forward(forward: dict[str, Any]) -> str:
    """Who this is now, since when, by whom and why."""
    if forward["at"] is None:
        return f"{forward['person_id']} is {forward['into']}"
    way = f", by way of {forward['first_into']}" if forward["first_into"] != forward["into"] else ""
    return f"{forward['person_id']} is {forward['into']}{way}, since {tell_word(forward)}"


def tell_word(word: dict[str, Any]) -> str:
    """When something was said, by whom and why."""
    return f"{as_text(word['at'])}, by {word['by']}{', because ' + word['why'] if word['why'] else ''}"


def _print_veto(veto: dict[str, Any] | None) -> None:
    if veto is None:
        return
    print_line(f"\nForbidden: {_VETOES[veto['kind']]}{': ' + tell_word(veto['word']) if veto['word'] else ''}")
    print_table(
        ("event", "name", "e-mail"),
        [
            (side["event_id"], side["evidence"]["name"], side["evidence"]["email"])
            for side in (veto["one"], veto["other"])
        ],
    )


def _print_chain(chain: list[dict[str, Any]]) -> None:
    if not chain:
        return
    print_line("\nHow they hang together")
    print_table(
        ("from event", "to event", "by", "weight", "evidence"),
        [
            (
                link["from_event_id"],
                link["event_id"],
                tell_word(link["word"]) if link["word"] else link["by"],
                f"{link['score']:+g}",
                ", ".join(piece["kind"] for piece in link["pieces"]),
            )
            for link in chain
        ],
        numbers=("weight",),
    )


def _said(side: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in side["evidence"].items() if value}


def print_activities(told: Sequence[ToldOfSomebody]) -> None:
    """What was said of somebody beside leads; nothing where there is none."""
    if not told:
        return
    print_line("\nActivities")
    print_table(
        ("at", "what", "source", "details", "whose", "event"),
        [
            (
                *(activity.at, activity.kind, activity.source),
                ", ".join(f"{name}: {value}" for name, value in activity.details.items()) or None,
                *(_whose(activity), activity.event_id),
            )
            for activity in told
        ],
        expendable=("event", "source"),
    )


def _whose(activity: ToldOfSomebody) -> str:
    if activity.state == "waiting":
        until = f" until {as_text(activity.waits_until)}" if activity.waits_until else ""
        return f"nobody's yet: waits{until} for its lead"
    if activity.state == "ended":
        return "nobody's: its lead did not come. `afluente leads release` looks again"
    return "theirs"
