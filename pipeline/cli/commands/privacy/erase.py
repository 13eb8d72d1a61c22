"""`afluente privacy erase`, and what goes with it: approve, status, confirm, certificate."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.commands.privacy.whom import Brand, Email, ExternalId, Person, Phone
from pipeline.cli.terminal.connection import RUN_AGAIN, database, installation, parse_id
from pipeline.cli.terminal.decisions import By, name_of
from pipeline.cli.terminal.output import (
    AsJson,
    as_object,
    example,
    print_json,
    print_line,
    print_note,
    print_table,
)
from pipeline.errors import RefusedError, UsageError
from pipeline.values.counting import count_people, counted

if TYPE_CHECKING:
    from uuid import UUID

    from pipeline.privacy.erasure import Planned
    from pipeline.privacy.subjects import Asked
    from pipeline.store.erasures.requests import PrivacyRequest

_ID = "01930000-0000-7000-8000-000000000001"
_LOOK_SECONDS = 0.5
ERASE = example(
    "afluente privacy erase --email ada.sample@example.com --dry-run",
    "afluente privacy erase --email ada.sample@example.com",
    f"afluente privacy erase --person {_ID} --yes --no-wait",
)
APPROVE = example(f"afluente privacy approve {_ID}")
STATUS = example("afluente privacy status", "afluente privacy status --all --json")
CONFIRM = example(f"afluente privacy confirm {_ID} --why 'removed in the CRM by the sales office'")
RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of a request, as `privacy status` shows it.")]
certificate_commands = typer.Typer(help="Certificates of erasures.", no_args_is_help=True)


def asked_by(
    *, email: str | None, phone: str | None, person: str | None, brand: str | None, external_id: str | None = None
) -> Asked:
    """Whom the options of a command name."""
    from pipeline.privacy.subjects import Asked

    return Asked(email, phone, parse_id(person) if person is not None else None, brand, external_id)


def erase(
    *,
    email: Email = None,
    phone: Phone = None,
    person: Person = None,
    external_id: ExternalId = None,
    brand: Brand = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, kept with the request. No personal data.")
    ] = None,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to go on.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until every CRM has answered.")] = True,
    wait_seconds: Annotated[float, typer.Option("--wait-seconds", min=0, help="At most this long.")] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Erase somebody everywhere, and print the certificate.

    Shows who is meant and what goes, then asks. The ledger is written first, then their rows go and their addresses are
    suppressed, then every CRM is told and waited for. Exit code 0 only if nothing is left undone. When it was
    interrupted, or a CRM was away, run the same command again: it goes on by itself meanwhile too.
    """
    from pipeline.privacy import erasure

    asked = asked_by(email=email, phone=phone, person=person, brand=brand, external_id=external_id)
    with installation(advice=RUN_AGAIN):
        if dry_run or not yes:
            planned = erasure.plan(asked)
            if dry_run:
                print_json(planned) if as_json else _print_plan(planned)
                return
            _print_plan(planned, to_note=True)
            if planned.refused is not None:
                raise RefusedError(planned.refused)
            if not typer.confirm("Erase this for good?", err=True):
                raise typer.Exit(1)
        request = erasure.erase(asked, by=name_of(by), reason=reason)
        if request.state != "awaiting_approval":
            request = _wait(request.request_id, wait_seconds if wait else 0.0)
    _print_outcome(request, as_json=as_json)


def _wait(request_id: UUID, seconds: float) -> PrivacyRequest:
    from pipeline.privacy import erasure

    ends_at = time.monotonic() + seconds
    request = erasure.advance(request_id)
    while request.state in ("erasing", "waiting") and time.monotonic() < ends_at:
        time.sleep(_LOOK_SECONDS)
        request = erasure.advance(request_id)
    return request


def _print_plan(planned: Planned, *, to_note: bool = False) -> None:
    say = print_note if to_note else print_line
    say(count_people(len(planned.people)) + ("" if planned.people else ": nobody is known by this"))
    for person in planned.people:
        say(f"  {person['person_id']} of {person['brand']}")
    for table, count in sorted(planned.rows.items()):
        say(f"  {table}: {count}")
    for system, count in sorted(planned.systems.items()):
        say(f"  at {system}: {counted(count, 'record')}")
    say(f"{planned.suppressed} addresses are suppressed from then on")
    if planned.shared:
        say(f"{planned.shared} addresses are others' too, and are not")
    if planned.held:
        say(
            f"{count_people(len(planned.held))} {'stays' if len(planned.held) == 1 else 'stay'}:"
            " a legal hold keeps them"
        )


def _print_outcome(request: PrivacyRequest, *, as_json: bool) -> None:
    """The certificate where it has ended, else how far it is; exit code 1 while anything is left."""
    from pipeline.privacy.erasing.certificates import certificate_path, in_order

    if request.certificate is not None:
        print_json(in_order(request.certificate))
        print_note(f"filed as {certificate_path(request.request_id)}")
    elif as_json:
        print_json(_told(request))
    if request.state == "done":
        return
    for sentence in _left(request):
        print_note(sentence)
    raise typer.Exit(1)


def _left(request: PrivacyRequest) -> list[str]:
    """What is still to be done of a request, and by whom."""
    from pipeline.privacy.erasing.progress import Progress

    if request.state == "awaiting_approval":
        return [f"a second person approves it: afluente privacy approve {request.request_id}"]
    progress = Progress.of(request.progress)
    left = [f"{known.system}: {known.records} records are {known.state}" for known in progress.pending]
    left += [_by_hand(system, what) for system, what in progress.by_hand]
    if request.state == "by_hand":
        left.append(f"then say so: afluente privacy confirm {request.request_id} --why TEXT")
    elif request.state in ("erasing", "waiting"):
        left.append("it goes on by itself; `afluente privacy status` tells when it has ended")
    return left


def _by_hand(system: str, what: str) -> str:
    from pipeline.privacy.erasing.progress import FILES

    if system.startswith(FILES):
        return f"{system}: look through {what}, and take them out by hand"
    return f"{system}: remove the record {what or '(no id known)'} by hand"


def _told(request: PrivacyRequest) -> dict[str, Any]:
    """A request as JSON has it: without what is only of use to whoever goes on with it."""
    told = as_object(request)
    progress = told.pop("progress")
    told["left"] = _left(request)
    told["systems"] = [*progress.get("systems", ()), *progress.get("pending", ())]
    return told


def approve(
    *,
    request: RequestId,
    by: By = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until every CRM has answered.")] = True,
    wait_seconds: Annotated[float, typer.Option("--wait-seconds", min=0, help="At most this long.")] = 120.0,
    as_json: AsJson = False,
) -> None:
    """Let an erasure begin that another person asked for.

    Where `privacy.needs_approval` is set. Whoever asked cannot approve.
    """
    from pipeline.privacy import erasure

    with installation(advice=RUN_AGAIN):
        begun = erasure.approve(parse_id(request), by=name_of(by))
        begun = _wait(begun.request_id, wait_seconds if wait else 0.0)
    _print_outcome(begun, as_json=as_json)


def status(
    *,
    brand: Brand = None,
    every: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show requests of erasure, and what is left of each.

    Exit code 0 only if nothing is left undone.
    """
    from pipeline.inspection.names import check_chain
    from pipeline.store.erasures.requests import DONE, REFUSED, list_requests

    with database(timeout_seconds=0) as connection:
        known = list_requests(connection, brands=None if brand is None else [brand])
        if not known:
            check_chain(connection, brand)  # of a brand that never was nothing is left undone either
    left = [request for request in known if request.state not in (DONE, REFUSED)]
    shown = known if every else left
    if as_json:
        print_json([_told(request) for request in shown])
    elif shown:
        print_table(
            ("request_id", "state", "brand", "received_at", "due_at", "left"),
            [
                (
                    request.request_id,
                    request.state,
                    request.brand,
                    request.received_at,
                    request.due_at,
                    "; ".join(_left(request)) or None,
                )
                for request in shown
            ],
        )
    else:
        print_line("Nothing is left undone.")
    if left:
        raise typer.Exit(1)


def confirm(
    *,
    request: RequestId,
    why: Annotated[str, typer.Option("--why", help="Who removed the records, and when. No personal data.")],
) -> None:
    """Say that records which a CRM keeps were removed there by hand, and print the certificate."""
    from pipeline.privacy import erasure
    from pipeline.privacy.erasing.certificates import in_order

    with installation(advice=RUN_AGAIN):
        ended = erasure.confirm_by_hand(parse_id(request), why=why)
    print_json(in_order(ended.certificate))


@certificate_commands.command("verify", epilog=example("afluente privacy certificate verify certificate.json"))
def verify(*, file: Annotated[Path, typer.Argument(metavar="FILE", help="A certificate as JSON.")]) -> None:
    """Say whether a certificate is as it was signed, and whether this installation signed it.

    Exit code 1 if it was changed, or is another installation's.
    """
    from pipeline.privacy.erasing import certificates

    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read ({error.strerror}): give the file of a certificate; `afluente privacy certificate"
            " show REQUEST > certificate.json` writes one"
        ) from error
    except ValueError as error:
        raise UsageError(f"{file} is no JSON, so no certificate: give the file as it was printed or filed") from error
    with database() as connection:
        found = certificates.verify(connection, content)
    if not found.is_sound:
        print_line("It was changed since it was signed.")
        raise typer.Exit(1)
    whose = "by this installation" if found.is_ours else "by another installation, whose key this one does not know"
    print_line(f"Request {found.request_id}, {found.state}: as it was signed, {whose}.")
    if not found.is_ours:
        raise typer.Exit(1)


@certificate_commands.command("show", epilog=example(f"afluente privacy certificate show {_ID}"))
def show(*, request: RequestId, as_json: AsJson = False) -> None:
    """Print the certificate of an erasure once more, as JSON whatever is said."""
    del as_json
    from pipeline.errors import NotFoundError
    from pipeline.privacy.erasing.certificates import in_order
    from pipeline.store.erasures.requests import read_request

    with database() as connection:
        known = read_request(connection, parse_id(request))
    if known is None or known.certificate is None:
        raise NotFoundError(f"request {request} has no certificate yet: `afluente privacy status` tells how far it is")
    print_json(in_order(known.certificate))
