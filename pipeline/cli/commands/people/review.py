"""`afluente people review …`: pairs that may be one person, for a human to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal.connection import RUN_AGAIN, database, installation
from pipeline.cli.terminal.decisions import By, Why, name_of, print_result, result_object
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_table

if TYPE_CHECKING:
    from pipeline.store.identity.reviews import Review

commands = typer.Typer(help="Pairs that may be one person, for a human to say.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="REVIEW", help="Its number in `people review list`.")]


@commands.command("list", epilog=example("afluente people review list", "afluente people review list --json"))
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
    from pipeline.inspection.people_decisions import read_reviews

    with database() as connection:
        waiting = read_reviews(connection, limit=limit)
    if as_json:
        print_json({"waiting": waiting.waiting, "reviews": [_review_object(named.review) for named in waiting.reviews]})
        return
    if not waiting.reviews:
        print_line("Nothing waits.")
        return
    print_table(
        ("review", "score", "person", "name", "other person", "name", "evidence"),
        [
            (
                named.review.review_id,
                f"{named.review.score:g}",
                named.review.people[0],
                named.names[0],
                named.review.people[1],
                named.names[1],
                ", ".join(f"{kind} {weight:+g}" for kind, weight in named.review.weights.items()),
            )
            for named in waiting.reviews
        ],
        numbers=("review", "score"),
    )
    if waiting.waiting > len(waiting.reviews):
        print_line(f"{waiting.waiting - len(waiting.reviews)} more; see them with --limit {waiting.waiting}")


@commands.command("accept", epilog=example("afluente people review accept 17 --why 'same desk, told us'"))
def accept(*, number: Number, why: Why = None, by: By = None, as_json: AsJson = False) -> None:
    """Say that they are one person, as `people merge` does."""
    from pipeline.inspection import people_decisions

    with installation(advice=RUN_AGAIN):
        result = people_decisions.accept(number, by=name_of(by), why=why)
    print_result(result, as_json=as_json)


@commands.command("reject", epilog=example("afluente people review reject 17 --why 'brothers'"))
def reject(*, number: Number, why: Why = None, by: By = None, as_json: AsJson = False) -> None:
    """Say that they are two people: nothing joins them any more, and nobody is asked again."""
    from pipeline.inspection import people_decisions

    with installation(advice=RUN_AGAIN):
        result = people_decisions.reject(number, by=name_of(by), why=why)
    if as_json:
        print_json(result_object(result))
    else:
        print_line("kept apart")


def _review_object(review: Review) -> dict[str, Any]:
    return {
        "review": review.review_id,
        "score": review.score,
        "brand": review.brand,
        "people": review.people,
        "evidence": review.weights,
        "since": review.created_at,
    }
