"""The conformance checks on an account of afluente.yaml: a test account of a CRM, or its sandbox."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from connectors.kit import Reads
from connectors.kit.conformance.destinations import Outcome, SeenRecord, Workbench, run_checks
from connectors.kit.conformance.destinations.line import Line, Pace
from pipeline.delivery.accounts import kind_of
from pipeline.delivery.writers import connection_to
from pipeline.errors import AfluenteError, ConfigurationError, UsageError
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.mapping import DestinationMapping, load_destination_mapping, map_person

_NOBODY = UUID(int=0)


def check_conformance(name: str, *, is_test_account: bool = False) -> list[Outcome]:
    """The outcome of each check. A few hundred invented people are written, and deleted again where the writer is able
    to.

    Raises UsageError unless the account is on this machine or said to be one for tests, ConfigurationError where it
    cannot be opened.
    """
    with workbench_to(name) as bench:
        if not (is_test_account or bench.is_upstream_local):
            raise UsageError(
                f"{name} leads to another machine, and the checks write invented people into it: name a test account in"
                " afluente.yaml, and say that it is one"
            )
        try:
            outcomes = run_checks(bench)
        except BaseException:  # Ctrl-C too: nobody invented is left behind
            with contextlib.suppress(AfluenteError):
                bench.clear_away()
            raise
        try:
            bench.clear_away()
        except AfluenteError as error:
            problem = f"some of the invented people may be left in the account: {error}"
            outcomes.append(Outcome("invented_people_are_deleted_again", (problem,)))
        return outcomes


@contextlib.contextmanager
def workbench_to(name: str) -> Iterator[Workbench]:
    """The account behind a line, where it speaks HTTP. Raises ConfigurationError."""
    known = settings()
    if name not in known.destinations:
        raise ConfigurationError(
            f"afluente.yaml has no destination {name!r}; there are {', '.join(sorted(known.destinations)) or 'none'}"
        )
    kind = kind_of(name, known.destinations[name])
    mapping = load_destination_mapping(kind.kind)
    connection = connection_to(name, known, mapping)
    quota = known.destinations[name]
    pace = Pace(quota.calls_per_second or kind.calls_per_second, quota.burst or kind.burst)
    with contextlib.ExitStack() as opened:
        line = None
        through = connection
        if "https" in kind.schemes:
            line = opened.enter_context(Line(connection.base_url, keeps_host=connection.is_local, pace=pace))
            through = replace(connection, base_url=line.url)
        reader = opened.enter_context(contextlib.closing(kind.connect(replace(connection, before_call=pace.wait))))
        yield Workbench(
            kind,
            through,
            fields_by(mapping),
            seen_by(reader) if isinstance(reader, Reads) else None,
            line,
            is_upstream_local=connection.is_local,
        )


def seen_by(reader: Reads) -> Callable[[Sequence[str], str | None], list[SeenRecord]]:
    """A look inside by the writer's own eyes."""

    def seen(keys: Sequence[str], _object: str | None) -> list[SeenRecord]:
        return [SeenRecord(key, found.crm_id, found.fields) for key, found in reader.read(keys).items()]

    return seen


def fields_by(mapping: DestinationMapping) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """The CRM's fields of canonical values, by its mapping."""
    return lambda values: map_person(mapping, _NOBODY, dict(values), {}).fields
