"""What a check is given: one source with its declaration, samples and mapping, and a way to try a record.

The kit knows nothing of the pipeline, so the pipeline hands in what it makes of a record (`try_record`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connectors.kit.sources.declarations import Connector
from connectors.kit.sources.fetching.fetch import Fetch, fetch_of
from connectors.kit.sources.fetching.fetched_records import with_fetched
from connectors.kit.sources.parts import Part, prepare_part, with_beside
from connectors.kit.sources.records import split_body, split_records
from connectors.kit.sources.samples import Pulled, Sample

ROW = "application/x-afluente-row"
TYPICAL = "typical"
HOSTILE = "hostile"


@dataclass(frozen=True, slots=True)
class Rule:
    """One canonical field of the mapping, with the paths it may come from."""

    field: str
    paths: tuple[str, ...]
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """What the pipeline makes of one record. `lead` holds canonical fields and `consents`; None if the record stops,
    with the quarantine's code or the reason of suppression as `stopped`. `undecided` are paths nobody decided about."""

    lead: dict[str, Any] | None = field(default=None, repr=False)
    stopped: str | None = None
    message: str = ""
    undecided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One source to be checked. `mapping_problem` says why its mapping cannot be read, if so.

    `shape` gives a record as the mapping's paths see it: columns by one name, lists of `{name, values}` as objects.
    """

    source: str
    connector: Connector
    samples: tuple[Sample, ...]
    mapping_source: str | None
    mapping_problem: str | None
    rules: tuple[Rule, ...]
    try_record: Callable[[dict[str, Any], str], Trial]
    shape: Callable[[dict[str, Any]], dict[str, Any]] = dict
    pulled: tuple[Pulled, ...] = ()

    def sample(self, name: str) -> Sample | None:
        return next((sample for sample in self.samples if sample.name == name), None)

    def ordinary_samples(self) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if sample.name != HOSTILE)

    def records(self, sample: Sample) -> list[dict[str, Any]]:
        """The records of a sample, as intake would take them apart. Raises UnreadableBody."""
        if sample.content_type == "text/csv":
            rows = csv.DictReader(io.StringIO(sample.body.decode("utf-8-sig"), newline=""))
            return [dict(row) for row in rows]
        return split_records(self.connector, sample.body, sample.content_type)

    def mapped(self, sample: Sample) -> list[dict[str, Any]]:
        """The records of a sample, as its mapping sees them: those that the source sends the ids of as they are read by
        these. Raises UnreadableBody."""
        fetch = fetch_of(self.connector)
        if fetch is None or sample.content_type == "text/csv":
            return self.records(sample)
        return [
            with_beside(prepare_part(self.connector.prepare, part), part.beside)
            for part in _fetched_parts(self.connector, fetch, sample)
        ]

    def trials(self, sample: Sample) -> list[Trial]:
        kind = ROW if sample.content_type == "text/csv" else "application/json"
        return [self.try_record(record, kind) for record in self.mapped(sample)]


def _fetched_parts(connector: Connector, fetch: Fetch, sample: Sample) -> list[Part]:
    """The records of a sample, each id with what `NAME.fetched.json` says that the source has under it. Raises
    UnreadableBody."""
    answers = iter(sample.fetched)
    parts = []
    for part in split_body(connector, sample.body, sample.content_type):
        if not isinstance(part.value, dict):
            continue
        is_id = fetch.applies_to(with_beside(part.value, part.beside))
        answer = next(answers, None) if is_id else None
        parts.append(part if answer is None else with_fetched(part, answer, into=fetch.into))
    return parts


Check = Callable[[Case], list[str]]
