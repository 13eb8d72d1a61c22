"""`afluente destination …`: the CRMs of afluente.yaml, and those whom one of them lacks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal.connection import RUN_AGAIN, installation
from pipeline.cli.terminal.moments import parse_moment
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, print_table, progress_bar
from pipeline.errors import UsageError
from pipeline.values.counting import count_people, counted

if TYPE_CHECKING:
    from pipeline.delivery.adoption import Progress
    from pipeline.recompute.deliveries import Backfilled

commands = typer.Typer(help="Where people go: the CRMs.", no_args_is_help=True)


@commands.command("list", epilog=example("afluente destination list", "afluente destination list --json"))
def list_destinations(*, as_json: AsJson = False) -> None:
    """Show every destination.

    What kind of CRM it is, whether it takes calls, how many people it should get, has and refused, and how many have no
    delivery although they are meant for it: `destination backfill` wants those.
    """
    from pipeline.inspection import destinations

    with installation():
        rows = destinations.list_destinations()
    if as_json:
        print_json(rows)
        return
    print_table(
        ("name", "kind", "account", "state", "due", "sent", "quarantined", "lacking", "last error"),
        [
            (
                row.name,
                row.kind,
                row.account,
                row.state,
                row.due,
                row.sent,
                row.quarantined,
                row.lacking,
                row.last_error,
            )
            for row in rows
        ],
        numbers=("due", "sent", "quarantined", "lacking"),
        whole=("last error",),
    )
    for row in rows:
        if row.transfer_basis and "/" not in row.name:
            print_line(f"{row.name}: its data is in {row.data_region}, by {row.transfer_basis}")
        for sentence in row.misfits:
            print_line(f"{row.name}: the mapping does not fit: {sentence}")
        if row.held:
            print_line(f"{row.name}: {counted(row.held, 'delivery', 'deliveries')} held; {row.waits}")
        elif row.waits and "/" not in row.name:  # its other objects wait for the same
            resume_it = f"; once mended, `afluente destination resume {row.name}`" if row.state == "halted" else ""
            print_line(f"{row.name}: {row.waits}{resume_it}")


@commands.command("resume", epilog=example("afluente destination resume crm"))
def resume(
    *,
    name: Annotated[str, typer.Argument(help="A destination of afluente.yaml.")],
    as_json: AsJson = False,
) -> None:
    """Let calls to a destination go on at once.

    For after a token, a right or a setting was mended, or the account's quota raised: by itself one call a minute is
    tried, or none until the time that the CRM named. What waited is sent now; if the fault is still there, the
    destination waits again and nothing is lost. Calls that were made still count in their windows.
    """
    from pipeline.inspection import destinations

    with installation():
        was_halted = destinations.resume_destination(name)
        waits = destinations.quota_wait(name)
    if as_json:
        print_json({"destination": name, "was_halted": was_halted, "waits": waits})
        return
    halt = "are halted no more" if was_halted else "were not halted"
    if waits:
        print_line(f"{name}: calls {halt}, but {waits}; nothing is lost meanwhile")
    else:
        print_line(f"{name}: calls go on" if was_halted else f"{name}: calls were not halted; what is due is sent")


@commands.command(
    "backfill",
    epilog=example(
        "afluente destination backfill crm --dry-run",
        "afluente destination backfill crm --since 2026-01-01",
        "afluente destination backfill crm",
    ),
)
def backfill(
    *,
    name: Annotated[str, typer.Argument(help="A destination of afluente.yaml.")],
    brand: Annotated[str | None, typer.Option("--brand", help="Only people of this brand.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only people whose latest touch is not older: a date, or 30d.")
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--everyone", help="Also whom it has already: for a CRM that was emptied or exchanged.")
    ] = False,
    rekeyed: Annotated[
        bool, typer.Option("--rekeyed", help="Say that its records are known there by the key of now, and go on.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many, and want nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send people to a CRM that was named after they came.

    Wants a delivery for everybody who has none: who came before the destination was in afluente.yaml, or while it was
    disabled. Wants one again of those whom it got by an older mapping, if the mapping of now makes something else of
    them. Restart after an edit of afluente.yaml, so that the workers know the destination. Safe beside running workers;
    when interrupted, run it again: whoever is wanted already stays as it is.
    """
    from pipeline.inspection import destinations

    if rekeyed and (brand or since or everyone or dry_run):
        raise UsageError("--rekeyed is about all records of the destination: leave the other options out")
    if rekeyed:
        with installation():
            released = destinations.accept_key(name)
        print_json({"released": released}) if as_json else print_line(f"{released} deliveries go on")
        return
    moment = parse_moment("--since", since, datetime.now(UTC)) if since else None
    with installation(advice=RUN_AGAIN), progress_bar(is_shown=not as_json) as progress:
        bar = progress.add_task("people", total=None, note="")

        def show(done: Backfilled, total: int) -> None:
            progress.update(bar, completed=done.people, total=total, note=f"{done.wanted} wanted")

        done = destinations.backfill(
            name, brand=brand, since=moment, everyone=everyone, is_dry_run=dry_run, on_progress=show
        )
    if as_json:
        print_json({"destination": name, "dry_run": dry_run, "everyone": everyone, **_counts(done)})
    else:
        _print_backfilled(name, done, is_dry_run=dry_run, everyone=everyone)


@commands.command(
    "check", epilog=example("afluente destination check crm --no-write", "afluente destination check crm --json")
)
def check(
    *,
    name: Annotated[str, typer.Argument(help="A destination of afluente.yaml.")],
    write: Annotated[
        bool, typer.Option("--write/--no-write", help="Also write one record, read it back and delete it.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Check a destination, from its address to a record in it.

    In order: address and credentials, rights, each field of the mapping against what the CRM says of it, limits; then
    one record of an invented person is written, read back field by field, and deleted, also where a step fails. A
    mapping that does not fit is told before anything is written. Nothing of it is kept here. Exit 1 if a step fails.
    """
    from msgspec.structs import asdict

    from pipeline.cli.terminal.connection import record_what_runs
    from pipeline.cli.terminal.crm_checks import print_check
    from pipeline.inspection.crm.checks import check_destination

    record_what_runs()
    checks = check_destination(name, writes=write, on_check=print_check if not as_json else lambda _check: None)
    is_well = all(made.ok for made in checks)
    if as_json:
        print_json({"destination": name, "ok": is_well, "checks": [asdict(made) for made in checks]})
    if not is_well:
        raise typer.Exit(1)


@commands.command(
    "conform",
    epilog=example("afluente destination conform sandbox", "afluente destination conform acme_trial --test-account"),
)
def conform(
    *,
    name: Annotated[str, typer.Argument(help="A destination of afluente.yaml.")],
    test_account: Annotated[
        bool, typer.Option("--test-account", help="Say that it is an account for tests, if it is not on this machine.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the conformance checks of a kind of CRM on an account for tests.

    For whoever writes a connector. Some hundred invented people are written, again and again, while a line between
    writer and CRM loses, cuts, shuffles and refuses answers; they are deleted again where the writer is able to. A
    check that does not apply says why. Nothing of it is kept here. Exit 1 if one falls short.
    """
    from pipeline.cli.terminal.connection import keep_logs_quiet
    from pipeline.cli.terminal.findings import print_outcomes
    from pipeline.inspection.crm.conformance import check_conformance

    keep_logs_quiet()
    outcomes = check_conformance(name, is_test_account=test_account)
    is_well = not any(outcome.problems for outcome in outcomes)
    if as_json:
        print_json({"destination": name, "ok": is_well, "checks": outcomes})
    else:
        print_outcomes(outcomes)
    if not is_well:
        raise typer.Exit(1)


@commands.command("adopt", epilog=example("afluente destination adopt crm --dry-run", "afluente destination adopt crm"))
def adopt(
    *,
    name: Annotated[str, typer.Argument(help="A destination of afluente.yaml.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is there, and keep nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find whom a CRM has already, so that nobody is made there twice.

    Reads all of its people, within the account's quota. Who they are is decided as of leads; whoever is known keeps
    the record, which is written to and gets our id, and whoever comes later is recognized. Changes nothing in the CRM.
    Safe beside running workers, and for a destination that is disabled; when interrupted, run it again: it goes on.
    """
    from msgspec.structs import asdict

    from pipeline.cli.terminal.adoption import print_adopted
    from pipeline.inspection.crm import adoptions

    with installation(advice=RUN_AGAIN), progress_bar(is_shown=not as_json) as progress:
        bar = progress.add_task("people", total=None, note="")

        def show(done: Progress) -> None:
            progress.update(bar, completed=done.people, note=f"{done.pages} pages")

        adopted = adoptions.adopt(name, is_dry_run=dry_run, on_progress=show)
    if as_json:
        counts = {**asdict(adopted.counts), "changed": len(adopted.changed), "pages": adopted.pages}
        print_json({"destination": name, "dry_run": dry_run, **counts})
    else:
        print_adopted(name, adopted, is_dry_run=dry_run)


@commands.command("pairs", epilog=example("afluente destination pairs crm", "afluente destination pairs crm --json"))
def pairs(
    *,
    name: Annotated[str, typer.Argument(help="A destination of afluente.yaml.")],
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="Show at most this many people.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show people whom a CRM has twice or more, as `destination adopt` found them.

    One of the records is written to: the one that has our id, else the eldest. Merge the others into it in the CRM,
    then run `destination adopt` again.
    """
    from msgspec.structs import asdict

    from pipeline.cli.terminal.adoption import print_pairs
    from pipeline.inspection.crm import adoptions

    with installation():
        found = adoptions.read_pairs(name, limit=limit)
    if as_json:
        print_json({"destination": name, "people": found.people, "pairs": [asdict(pair) for pair in found.pairs]})
    else:
        print_pairs(name, found)


@commands.command("setup", epilog=example("afluente destination setup crm --dry-run", "afluente destination setup crm"))
def setup(
    *,
    name: Annotated[str, typer.Argument(help="A destination of afluente.yaml.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make in a CRM what its mapping needs.

    Fields of the mapping that are missing there, and the one that keeps our id, where this kind of CRM lets a program
    make them; the rest is said, for whoever makes it by hand. What is there is left as it is, so it may be run again.
    Exit 1 if something is left to do by hand.
    """
    from pipeline.cli.terminal.connection import record_what_runs
    from pipeline.cli.terminal.crm_checks import print_setup
    from pipeline.inspection.crm.setup import set_up

    record_what_runs()
    done = set_up(name, is_dry_run=dry_run)
    if as_json:
        print_json({"destination": name, "dry_run": dry_run, "setup": done})
    else:
        print_setup(done, name, is_dry_run=dry_run)
    if done.by_hand or done.refused:
        raise typer.Exit(1)


def _counts(done: Backfilled) -> dict[str, int]:
    return {
        "people": done.people,
        "lacking": done.lacking,
        "remapped": done.remapped,
        "unknown": done.unknown,
        "wanted": done.wanted,
    }


def _print_backfilled(name: str, done: Backfilled, *, is_dry_run: bool, everyone: bool) -> None:
    print_line(f"{count_people(done.people)} looked at")
    print_line(f"{done.lacking} had no delivery to {name}")
    if done.remapped:
        print_line(f"{done.remapped} were sent by an older mapping that made something else of them")
    print_line(f"{done.wanted} deliveries {'would be' if is_dry_run else 'are'} wanted")
    if done.unknown and not everyone:
        print_note(
            f"{done.unknown} were sent before it was kept by which mapping, and are left as they are: --everyone sends"
            " them again"
        )
    if done.wanted and not is_dry_run:
        print_line("Watch them with `afluente destination list`.")
