"""`afluente source …`: which sources there are, a new one, whether one is sound, and a rehearsal of its sender."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.terminal.connection import known_source, receiver_address, source_instance
from pipeline.cli.terminal.output import (
    AsJson,
    CommandError,
    example,
    print_json,
    print_line,
    print_note,
    print_overridden,
    print_table,
)

if TYPE_CHECKING:
    from connectors.kit import Connector
    from connectors.kit.sources.samples import Sample

commands = typer.Typer(help="Where leads come from.", no_args_is_help=True)


@commands.command("list", epilog=example("afluente source list", "afluente source list --json"))
def list_sources(*, as_json: AsJson = False) -> None:
    """Show every source.

    How its leads come, which lane they take, and the variable of the secret that they are signed with.
    """
    from connectors.kit.folders import overridden_files
    from connectors.kit.registry import sources

    overridden = overridden_files()
    rows = [_describe(connector, overridden) for _, connector in sorted(sources().items())]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("source", "title", "comes by", "lane", "tier", "signed with", "enabled"),
        [
            [row["source"], row["title"], row["intake"], row["lane"], row["tier"], row["secret"], _yes(row["enabled"])]
            for row in rows
        ],
    )
    print_overridden(path for row in rows for path in row["overridden"])


@commands.command(
    "new", epilog=example("afluente source new acme_forms", "afluente source new acme_forms --from-sample payload.json")
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
) -> None:
    """Write the first version of a source.

    Declaration, mapping, sample and the lead expected of it. Names are guessed; what could not be guessed is listed,
    and `source check` says what is left to settle. Values of the sample are replaced by invented ones, so that nothing
    personal is committed.
    """
    from connectors.kit.folders import writable_folder
    from pipeline.authoring.scaffold import write_source

    root = writable_folder()
    made = write_source(slug, root, sample=from_sample)
    for written in [*made.files, write_expected(slug, root)]:
        print_line(f"wrote {written.relative_to(root)}")
    print_table(("path", "mapped to"), [(path, name) for name, path in made.mapped.items()])
    if made.undecided:
        print_line("Undecided; map each of these, or list it under `ignored`:")
        for path in made.undecided:
            print_line(f"  {path}")
    if made.is_open:
        print_note(
            f"{slug} is unsigned: anybody who knows its address can post leads to it. If the sender signs, declare how:"
            f" signature=… of Webhook in connectors/sources/{slug}.py (see docs/connectors.md)"
        )
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
    if accept and slug is None:
        raise CommandError("--accept is for one source: name it, and read the difference over", exit_code=2)
    if accept and slug is not None:
        _accept(slug)
    problems = _problems(slug)
    if as_json:
        print_json({"ok": not any(problems.values()), "sources": problems})
    else:
        for source, found in problems.items():
            print_line(f"{source}: {'ok' if not found else f'{len(found)} to settle'}")
            for problem in found:
                print_line(f"  {problem}")
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
    from pipeline.authoring.rehearsal import send

    instance = source_instance(slug, brand)
    sent = send(instance, _find_sample(instance.connector.source, sample), url or receiver_address())
    if as_json:
        print_json(sent)
    else:
        print_line(f"{sent['status']} from {sent['url']}")
        print_line(sent["answer"])
    if sent["status"] == HTTPStatus.NOT_FOUND:
        print_note(f"{slug} is known here: a receiver knows the sources that were there when it started")
    if not sent["ok"]:
        raise typer.Exit(1)


def _accept(slug: str) -> None:
    """Show the difference, then keep the leads as they are made now; not while one of them does not go on."""
    from connectors.kit.conformance.mapping_checks import typical_lead_is_as_expected
    from connectors.kit.folders import writable_folder
    from pipeline.authoring.conformance_cases import discover_cases

    root = writable_folder()
    known_source(slug)
    (case,) = discover_cases(slug)
    typical = case.sample("typical")
    stopped = [trial.message for trial in case.trials(typical) if not trial.lead] if typical else ["there is no sample"]
    if stopped:
        raise CommandError(f"nothing was rewritten: the typical sample makes no lead: {stopped[0]}")
    for difference in typical_lead_is_as_expected(case)[:-1]:
        print_note(difference)
    print_note(f"rewrote {write_expected(slug, root)}")


def write_expected(slug: str, root: Path) -> Path:
    """The lead that mapping and normalization make of the new sample, written below `root`: to be read over, then kept
    as what must be."""
    import json

    from pipeline.authoring.conformance_cases import discover_cases

    (case,) = discover_cases(slug)
    typical = case.sample("typical")
    leads = [trial.lead for trial in case.trials(typical) if trial.lead] if typical else []
    path = root / "samples" / slug / "typical.expected.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = leads[0] if len(leads) == 1 else leads
    path.write_text(json.dumps(shown, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def _problems(slug: str | None) -> dict[str, list[str]]:
    """Problems by source."""
    from connectors.kit.conformance import run_checks
    from pipeline.authoring.conformance_cases import discover_cases

    if slug is not None:
        known_source(slug)
    return {case.source: run_checks(case) for case in discover_cases(slug)}


def _find_sample(source: str, name: str) -> Sample:
    from connectors.kit.sources.samples import samples_of

    known = {one.name: one for one in samples_of(source)}
    if name not in known:
        raise CommandError(
            f"samples/{source} has no sample {name!r}; it has: {', '.join(known) or 'none'}", exit_code=2
        )
    return known[name]


def _describe(connector: Connector, overridden: list[str]) -> dict[str, Any]:
    from connectors.kit import Webhook
    from pipeline.settings.loading import settings

    known = settings().source(connector.source)
    signature = connector.intake.signature if isinstance(connector.intake, Webhook) else None
    return {
        "source": connector.source,
        "title": connector.title,
        "intake": type(connector.intake).__name__.lower(),
        "lane": known.lane or connector.lane,
        "tier": connector.tier,
        "secret": signature.secret.name if signature else None,
        "enabled": known.enabled,
        "owner": connector.owner,
        "docs_url": connector.docs_url,
        "overridden": [path for path in overridden if connector.source in (Path(path).stem, Path(path).parent.name)],
    }


def _yes(value: bool) -> str:  # noqa: FBT001 - one obvious argument
    return "yes" if value else "no"
