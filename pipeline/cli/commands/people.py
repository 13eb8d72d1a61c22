"""`afluente people merge|unmerge|review|recompute`: a human's word on who is who, and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from pipeline.cli.terminal.connection import database, known_brand, parse_id, reach
from pipeline.cli.terminal.output import (
    AsJson,
    CommandError,
    example,
    print_json,
    print_line,
    print_note,
    print_table,
    progress_bar,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

    from pipeline.identity.decisions import Decision, DecisionResult
    from pipeline.recompute.people import Recomputed
    from pipeline.records import Person
    from pipeline.store.identity.decisions import Link
    from pipeline.store.identity.reviews import Review

commands = typer.Typer()
review = typer.Typer(help="Pairs that may be one person, for a human to say.", no_args_is_help=True)

_ONE, _TWO = "01930000-0000-7000-8000-000000000001", "01930000-0000-7000-8000-000000000002"
Why = Annotated[str | None, typer.Option("--why", help="The reason, kept with it. No personal data.")]
By = Annotated[str | None, typer.Option("--by", help="Whose word it is.", show_default="the user of this terminal")]
PersonId = Annotated[str, typer.Argument(metavar="PERSON", help="Id of a person.")]
Number = Annotated[int, typer.Argument(metavar="REVIEW", help="Its number in `people review list`.")]


@commands.command(epilog=example(f"afluente people merge {_ONE} {_TWO} --why 'married, told us by phone'"))
def merge(
    *,
    one: PersonId,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Id of another one.")],
    why: Why = None,
    by: By = None,
    override: Annotated[bool, typer.Option("--override", help="Take back what keeps them apart.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say that two people are one.

    The older id stays, the other forwards to it for ever. All they left goes together: leads, touches, consents,
    values. It stays so whatever comes in later, until `people unmerge`. Refused if somebody said that they are two.
    """
    from pipeline.identity.merges import merge_people

    ids = parse_id(one), parse_id(other)
    _print_result(_decided(lambda: merge_people(*ids, _decision(by, why), override=override)), as_json=as_json)


@commands.command(
    epilog=example(
        f"afluente people unmerge {_TWO} --why 'father and son'", f"afluente people unmerge {_ONE} --event {_TWO}"
    )
)
def unmerge(
    *,
    person: PersonId,
    event: Annotated[
        list[str] | None, typer.Option("--event", help="Take this lead out of the person. May be repeated.")
    ] = None,
    why: Why = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Take a person apart again.

    The newest `people merge` of it is taken back. If there is none, it is parted where it last came together, or where
    --event says, and kept so. Name an id that was merged away, and that one stands for itself again, whatever was
    merged since. Each part gets back its id, leads, touches, consents and values. Leads that say exactly the same of
    who they are stay together.
    """
    from pipeline.identity.unmerges import unmerge_person

    person_id, event_ids = parse_id(person), [parse_id(text) for text in event or ()]
    _print_result(_decided(lambda: unmerge_person(person_id, _decision(by, why), event_ids=event_ids)), as_json=as_json)


@review.command("list", epilog=example("afluente people review list", "afluente people review list --json"))
def list_waiting(
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1_000_000, help="Show at most this many, surest first.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """Show pairs of people that may be one.

    Each with every piece of evidence and its weight, in bits (mappings/identity.yaml). Names are shown on the terminal,
    not in JSON.
    """
    from pipeline.store.identity.reviews import forget_settled, list_reviews
    from pipeline.store.people.people import read_people

    with database() as connection:
        forget_settled(connection)
        found, total = list_reviews(connection, limit=limit)
        people = read_people(connection, {person for one in found for person in one.people}, lock=False)
    if as_json:
        print_json({"waiting": total, "reviews": [_review_json(one) for one in found]})
        return
    if not found:
        print_line("Nothing waits.")
        return
    print_table(
        ("review", "score", "person", "name", "other person", "name", "evidence"),
        [
            (
                one.review_id,
                f"{one.score:g}",
                one.people[0],
                _name(people.get(one.people[0])),
                one.people[1],
                _name(people.get(one.people[1])),
                ", ".join(f"{kind} {weight:+g}" for kind, weight in one.weights.items()),
            )
            for one in found
        ],
        numbers=("review", "score"),
    )
    if total > len(found):
        print_line(f"{total - len(found)} more; see them with --limit {total}")


@review.command("accept", epilog=example("afluente people review accept 17 --why 'same desk, told us'"))
def accept(*, number: Number, why: Why = None, by: By = None, as_json: AsJson = False) -> None:
    """Say that they are one person, as `people merge` does."""
    from pipeline.identity.merges import accept_review

    _print_result(_decided(lambda: accept_review(number, _decision(by, why))), as_json=as_json)


@review.command("reject", epilog=example("afluente people review reject 17 --why 'brothers'"))
def reject(*, number: Number, why: Why = None, by: By = None, as_json: AsJson = False) -> None:
    """Say that they are two people: nothing joins them any more, and nobody is asked again."""
    from pipeline.identity.merges import reject_review

    result = _decided(lambda: reject_review(number, _decision(by, why)))
    if as_json:
        print_json(_result_json(result))
    else:
        print_line("kept apart")


@commands.command(epilog=example("afluente people recompute --dry-run", "afluente people recompute", "afluente status"))
def recompute(
    *,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find out anew who is who.

    For after mappings/identity.yaml changed: restart the workers first, so that they go by the new rules too. Every
    lead's evidence is weighed again, shared addresses and numbers are counted again, people come together or apart, and
    the CRM hears of it. What humans said stays. Safe beside running workers; when interrupted, run it again.
    """
    from pipeline.recompute.people import recompute_people

    known_brand(brand)
    with progress_bar(is_shown=not as_json) as progress:
        done = reach(lambda: recompute_people(brand=brand, is_dry_run=dry_run, **people_bars(progress)))
    if as_json:
        print_json(
            {"dry_run": dry_run, "evidence": done.pieces, "people": {"joined": done.joined, "came_apart": done.parted}}
        )
        return
    verb = "would " if dry_run else ""
    print_line(f"{done.pieces} pieces of evidence weighed")
    print_line(f"{done.joined} people {verb}{'become' if dry_run else 'became'} part of others")
    print_line(f"{done.parted} people {verb}{'come' if dry_run else 'came'} apart from others")


class PeopleBars(TypedDict):
    """What `recompute_people` tells its progress to."""

    on_refiling: Callable[[int, int], None]
    on_filing: Callable[[int, int], None]
    on_progress: Callable[[Recomputed, int], None]


def people_bars(progress: Progress) -> PeopleBars:
    """Bars for evidence filed anew and earlier leads without any, if there are, and for the evidence of all."""
    bars: dict[str, TaskID] = {}

    def show(name: str, completed: int, total: int, note: str = "") -> None:
        if name not in bars:
            bars[name] = progress.add_task(name, total=total, note="")
        progress.update(bars[name], completed=completed, total=total, note=note)

    return {
        "on_refiling": lambda done, pieces: show("evidence filed", done, pieces),
        "on_filing": lambda done, events: show("earlier leads", done, events),
        "on_progress": lambda done, pieces: show(
            "evidence", done.pieces, pieces, f"{done.joined} people joined, {done.parted} came apart"
        ),
    }


def _decision(by: str | None, why: str | None) -> Decision:
    import getpass

    from pipeline.identity.decisions import Decision

    try:
        name = (by or getpass.getuser()).strip()
    except (KeyError, OSError) as error:  # a container without a name for its user
        raise CommandError("whose word is it? Say it with --by NAME", exit_code=2) from error
    if not name:
        raise CommandError("--by needs a name", exit_code=2)
    return Decision(name, why.strip() or None if why else None)


def _decided(decide: Callable[[], DecisionResult]) -> DecisionResult:
    from pipeline.hints import hint_all

    result = reach(decide)
    hint_all()
    return result


def _print_result(result: DecisionResult, *, as_json: bool) -> None:
    if as_json:
        print_json(_result_json(result))
        return
    for link in _one_link_each(result):
        word = "one person" if link.same else "two people"
        reason = f" because {link.why}" if link.why else ""
        print_line(f"taken back: {word}, said by {link.decided_by} on {link.decided_at:%Y-%m-%d}{reason}")
    for merged, target in sorted(result.joined.items()):
        print_line(f"{merged} is part of {target} now")
    for person_id in result.parted:
        print_line(f"{person_id} stands for itself now")
    if not (result.joined or result.parted):
        print_note("nobody became another person: only leads changed hands")


def _result_json(result: DecisionResult) -> dict[str, Any]:
    return {
        "person_id": result.person_id,
        "joined": [{"person_id": merged, "into": target} for merged, target in sorted(result.joined.items())],
        "parted": result.parted,
        "took_back": [
            {"same": link.same, "by": link.decided_by, "at": link.decided_at, "why": link.why}
            for link in _one_link_each(result)
        ],
    }


def _one_link_each(result: DecisionResult) -> list[Link]:
    """What was taken back, each decision once, however many pairs it was about."""
    from pipeline.identity.decisions import one_link_each

    return one_link_each(result.took_back)


def _review_json(one: Review) -> dict[str, Any]:
    return {
        "review": one.review_id,
        "score": one.score,
        "brand": one.brand,
        "people": one.people,
        "evidence": one.weights,
        "since": one.created_at,
    }


def _name(person: Person | None) -> str | None:
    values = person.profile.values() if person else {}
    return values.get("full_name") or " ".join(
        part for part in (values.get("first_name"), values.get("last_name")) if part
    )


commands.add_typer(review, name="review")
