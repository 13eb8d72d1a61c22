"""`afluente source …`: which sources there are, a new one, whether one is sound, a rehearsal, and polls by hand."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.commands.source import access, completeness, played, standing
from pipeline.cli.terminal.findings import print_findings
from pipeline.cli.terminal.output import (
    AsJson,
    example,
    print_facts,
    print_json,
    print_line,
    print_note,
    print_overridden,
    print_table,
)
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.authoring.scaffold import Scaffold


class Kind(StrEnum):
    """As `pipeline.authoring.scaffold.KINDS`."""

    WEBHOOK = "webhook"
    POLL = "poll"
    FILE = "file"
    DROP_FOLDER = "drop_folder"


commands = typer.Typer(help="Where leads come from.", no_args_is_help=True)
commands.command("connect", epilog=access.CONNECT)(access.connect)
commands.command("disconnect", epilog=access.DISCONNECT)(access.disconnect)


@commands.command("list", epilog=example("afluente source list", "afluente source list --json"))
def list_sources(*, as_json: AsJson = False) -> None:
    """Show every source.

    How its leads come, which lane they take, and the variable of the secret that they are signed with.
    """
    from pipeline.inspection import sources

    known = sources.list_sources()
    for slug, reason in sources.list_broken().items():
        print_note(f"{slug} is left out: {reason}")
    if as_json:
        print_json(known)
        return
    print_table(
        ("source", "title", "comes by", "lane", "tier", "signed with", "enabled"),
        [
            (row.source, row.title, row.intake, row.lane, row.tier, row.secret, "yes" if row.enabled else "no")
            for row in known
        ],
    )
    print_overridden(path for row in known for path in row.overridden)


@commands.command(
    "new",
    epilog=example(
        "afluente source new acme_forms",
        "afluente source new acme_forms --from-sample payload.json",
        "afluente source new acme_leads --kind poll --from-sample answer.json",
    ),
)
def new_source(
    slug: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits and _.")],
    from_sample: Annotated[
        Path | None,
        typer.Option(
            "--from-sample",
            help="A payload or file as the source sends it (.json, .jsonl, .csv, .tsv). Only its shape is kept.",
        ),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--kind",
            help="How its leads come: posted, asked for, in files that are imported, or put into a folder. Otherwise"
            " files for a table and a webhook for JSON.",
        ),
    ] = None,
) -> None:
    """Write the first version of a source.

    Declaration, mapping, sample and the lead expected of it. Names are guessed; what could not be guessed is listed,
    and `source check` says what is left to settle. Values of the sample are replaced by invented ones, so that nothing
    personal is committed.
    """
    from connectors.kit.folders import writable_folder
    from pipeline.authoring import new_sources

    made = new_sources.new_source(slug, sample=from_sample, kind=None if kind is None else kind.value)
    root = writable_folder()
    for written in made.files:
        print_line(f"wrote {written.relative_to(root)}")
    print_table(("path", "mapped to"), [(path, name) for name, path in made.mapped.items()])
    _print_left(made, slug)
    print_line(f"Next: afluente source check {slug}")


@commands.command(
    "check",
    epilog=example(
        "afluente source check", "afluente source check web_form", "afluente source check web_form --accept"
    ),
)
def check_sources(
    *,
    slug: Annotated[str | None, typer.Argument(help="Only this source.")] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Of one source: keep what the mapping makes of its sample as expected.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the conformance kit.

    Checks the declaration, the mapping and the samples of each source. Exit 1 if one falls short. After an edit of a
    mapping, `--accept` shows how the leads differ from those in `samples/SLUG/typical.expected.json` and rewrites them.
    """
    from pipeline.authoring import new_sources

    if accept:
        _accept(slug)
    problems = new_sources.check_sources(slug)
    if as_json:
        print_json({"ok": not any(problems.values()), "sources": problems})
    else:
        print_findings(problems)
    if any(problems.values()):
        raise typer.Exit(1)


@commands.command(
    "send",
    epilog=example("afluente source send web_form", "afluente source send standard_webhooks typical --brand casa"),
)
def send_sample(
    *,
    slug: Annotated[str, typer.Argument(help="Which source's sample.")],
    sample: Annotated[str, typer.Argument(help="Name of a file in samples/SLUG, without its ending.")] = "typical",
    url: Annotated[
        str | None, typer.Option("--url", help="Receiver, e.g. http://127.0.0.1:8080. Default: the one that runs.")
    ] = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Brand to send to, if there are several.")] = None,
    as_json: AsJson = False,
) -> None:
    """Post a sample to a running receiver.

    Signed as the real sender would. The same sample twice is one lead. A source whose leads come in files is imported
    instead; a polled one sends nothing by itself. Exit 1 if refused.
    """
    from pipeline.authoring.rehearsal import send_sample as post_sample

    sent = post_sample(slug, sample, brand=brand, address=url)
    if as_json:
        print_json(sent)
    else:
        print_line(f"{sent.status} from {sent.url}")
        print_line(sent.answer)
        for event_id in sent.event_ids:
            print_line(f"event {event_id}: afluente explain {event_id}")
    if sent.status == HTTPStatus.NOT_FOUND:
        print_note(f"{slug} is known here: a receiver knows the sources that were there when it started")
    if not sent.ok:
        raise typer.Exit(1)


@commands.command(
    "poll",
    epilog=example(
        "afluente source poll json_feed",
        "afluente source poll json_feed --from beginning",
        "afluente source poll json_feed --from 2026-03-01T00:00:00Z",
        "afluente source poll acme --stream contacts",
    ),
)
def poll_source(
    *,
    name: Annotated[str, typer.Argument(help="Which polled source.")],
    brand: Annotated[str | None, typer.Option("--brand", help="Of which brand, if there are several.")] = None,
    stream: Annotated[str | None, typer.Option("--stream", help="Only this one, if the source has several.")] = None,
    begin_at: Annotated[
        str | None,
        typer.Option(
            "--from", help="Read from here instead: `beginning`, or a cursor's value as the source writes it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Poll a source now.

    Due or not, from where it was read to. What came in before is recognized and comes in once, so reading from the
    beginning does no harm. Exit 1 if the source could not be read to its end.
    """
    from pipeline.cli.terminal.connection import installation
    from pipeline.inspection.polling.polled import poll_now

    with installation():
        polled = poll_now(name, brand=brand, stream=stream, begin_at=begin_at)
    if as_json:
        print_json(polled)
    else:
        print_facts(
            {
                "pages": polled.pages,
                "accepted": polled.accepted,
                "repeated": polled.repeated,
                "revised": polled.revised or None,
                "no records, to quarantine": polled.rejected or None,
                "ended by": polled.end,
                "cursor": polled.cursor,
                "error": polled.error,
            },
            indent=0,
        )
        for note in polled.notes:
            print_note(note)
    if polled.error is not None:
        raise typer.Exit(1)


@commands.command(
    "fetch",
    epilog=example(
        "afluente source fetch meta_lead_ads",
        "afluente source fetch meta_lead_ads --again 01930000-0000-7000-8000-000000000000",
    ),
)
def fetch_records(
    *,
    name: Annotated[str, typer.Argument(help="Which source that sends ids.")],
    brand: Annotated[str | None, typer.Option("--brand", help="Of which brand, if there are several.")] = None,
    again: Annotated[
        list[str] | None, typer.Option("--again", help="An event whose record is read once more; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read the records that wait now.

    Of a source that sends ids: also while nobody asks it, as after its token was refused. `--again` reads what it has
    by now under the id of a lead that has ended; `afluente leads replay --settled` then makes the lead say so. Exit 1
    if some could not be read.
    """
    from pipeline.cli.terminal.connection import installation, parse_id
    from pipeline.inspection.polling.fetched import fetch_now

    ids = [parse_id(text) for text in again or ()]
    with installation():
        done = fetch_now(name, brand=brand, again=ids)
    if as_json:
        print_json(done)
    else:
        print_facts(
            {
                "read": done.fetched,
                "to be tried again": done.retried or None,
                "to quarantine": done.quarantined or None,
                "waiting": done.waiting,
                "error": done.error,
            },
            indent=0,
        )
    if done.error is not None or done.waiting:
        raise typer.Exit(1)


commands.command("completeness", epilog=completeness.COMPLETENESS)(completeness.show_completeness)
commands.command("reconcile", epilog=completeness.RECONCILE)(completeness.reconcile_source)
commands.command("status", epilog=standing.STATUS)(standing.show_status)
commands.command("check-hook", epilog=standing.CHECK_HOOK)(standing.check_hook)
commands.command("play", epilog=played.PLAY)(played.play_provider)


def _print_left(made: Scaffold, slug: str) -> None:
    """What a human has to look at in a draft."""
    id_of_lead = made.event_id
    if id_of_lead.is_seen_to_differ:
        print_line(f"A lead is known again by {id_of_lead.path} (event_id): it must differ for every lead.")
    elif id_of_lead.path:
        print_line(
            f"{id_of_lead.path} may be the id of a lead (event_id), but the sample holds one record only: give a sample"
            f" of two, or take the mark away in connectors/sources/{slug}.py once it is sure to differ for every lead."
        )
    else:
        print_line(f"event_id: {id_of_lead.note}.")
    if made.undecided:
        print_line("Undecided; map each of these, or list it under `ignored`:")
        for path in made.undecided:
            print_line(f"  {path}")
    if made.is_open:
        print_note(
            f"{slug} is unsigned: anybody who knows its address can post leads to it. If the sender signs, declare how:"
            f" signature=… of Webhook in connectors/sources/{slug}.py (see docs/connectors.md)"
        )


def _accept(slug: str | None) -> None:
    """Show the difference that keeping the leads as they are made now makes."""
    from pipeline.authoring.expected_leads import accept_expected

    if slug is None:
        raise UsageError("--accept is for one source: name it, and read the difference over")
    accepted = accept_expected(slug)
    for difference in accepted.differences:
        print_note(difference)
    print_note(f"rewrote {accepted.path}")
