"""Leads that are invented after the typical sample of a source: each somebody else, with ids and times of its own.

What in a sample is a name, an address or an id is known by the lead that is expected of it (`typical.expected.json`)
and by what the declaration reads (`event_id`, `occurred_at`, `contact_at`). All else stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from connectors.kit.errors import AfluenteError, ConfigurationError
from connectors.kit.paths import get_path, leaves, parse_path
from connectors.kit.sources.cursor_values import as_text
from connectors.kit.sources.declarations import Connector
from connectors.kit.sources.fetching.fetched_records import arrival_prepare
from connectors.kit.sources.idempotency import event_id_of, occurred_at_of
from connectors.kit.sources.parts import Part, prepare_part, take_apart, with_beside
from connectors.kit.sources.reconciling.asking import polls_of_window, pushed_body
from connectors.kit.sources.reconciling.declared import Window, reconcile_of
from connectors.kit.sources.records import UnreadableBody, split_body, split_records
from connectors.kit.sources.samples import Sample, pulled_of, samples_of
from connectors.kit.times import parse_time
from connectors.sandbox.providers.variations import Variation

_JSON = ("application/json", "text/plain")
_FORM = "application/x-www-form-urlencoded"
_SHORTEST_ID = 3
_A_WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))  # its values are not looked at


@dataclass(frozen=True, slots=True)
class Lead:
    """`id`: the source's own id of it, as a declaration reads it from JSON, else "". `record`: it in a body; `body`: a
    body with it alone; `fetched`: what the source has under its id; `listed`: how the source lists it afterwards."""

    number: int
    at: datetime
    id: str
    record: Any = field(repr=False)
    body: bytes = field(repr=False)
    fetched: Any = field(default=None, repr=False)
    listed: Any = field(default=None, repr=False)


class Inventor:
    """Makes leads of one source. The same seed and number give the same lead; another seed, another person.

    Raises ConfigurationError for a source whose typical sample no lead can be made after.
    """

    def __init__(self, connector: Connector, *, seed: int = 0) -> None:
        self.connector, self.seed = connector, seed
        self._sample = _typical(connector)
        self._document, self._part, place = _template(connector, self._sample)
        expected = self._sample.expected or [{}]
        self._expected = expected[min(place, len(expected) - 1)] or {}
        self._fetched = self._sample.fetched[0] if self._sample.fetched else None
        seen = self._seen(self._part.value)
        self._id, self._at = event_id_of(connector, seen), occurred_at_of(connector, seen)
        self.parents: tuple[Any, ...] = ()  # what the records of its lists belong to, nearest first, then the options
        self._listed = self._pulled()
        if self._at is None and (reconcile := reconcile_of(connector)) is not None and reconcile.listed_at is not None:
            self._at = parse_time(get_path(self._listed, reconcile.listed_at))
        told = leaves([self._part.value, self._fetched, self._listed])
        self._texts = [text for leaf in told if (text := as_text(leaf)) is not None]
        self._ids = self._own_ids(seen)
        around = self._enveloped([{}], deepcopy(self._document)) if self._part.place else None
        self._is_shared = self._variation(1).of(around) == around

    @property
    def content_type(self) -> str:
        return self._sample.content_type

    @property
    def is_listed(self) -> bool:
        """Whether it is known how the source lists its leads."""
        return self._listed is not None

    @property
    def options(self) -> dict[str, Any]:
        """What the source is asked for its lists with: those of the sample, else the declared ones."""
        reconcile = reconcile_of(self.connector)
        declared = {option.name: option.default or "1" for option in reconcile.options} if reconcile else {}
        return {**declared, **(self.parents[-1] if self.parents else {})}

    @property
    def takes_many(self) -> bool:
        """Whether a body may hold several: what stands around them is of nobody."""
        return self._is_shared and bool(self._part.place) and isinstance(parse_path(self._part.place)[-1], int)

    def lead(self, number: int, at: datetime) -> Lead:
        """Raises ConfigurationError where it would be the same as the sample."""
        variation = self._variation(number)
        if self._at is not None:
            variation.moved_by(at.timestamp() - self._at.timestamp())
        record = variation.of(self._part.value)
        own_id = event_id_of(self.connector, self._seen(record)) or ""
        if own_id == (self._id or None):
            raise ConfigurationError(
                f"samples/{self.connector.source}: the typical sample holds no id that can be another one"
            )
        is_json = self._sample.content_type.startswith(_JSON)
        around = variation.of(self._document)
        body = self.body_of([record], around) if is_json else _varied_form(self._sample, variation)
        return Lead(number, at, own_id, record, body, variation.of(self._fetched), variation.of(self._listed))

    def body_of(self, records: Sequence[Any], around: Any = None) -> bytes:
        """One body of JSON with these records; with the first of them where it cannot hold several. `around`: the body
        that they take the place of the records in."""
        if not self._part.place:
            return orjson.dumps(records[0])
        return orjson.dumps(self._enveloped(records, deepcopy(around or self._document)))

    def _enveloped(self, records: Sequence[Any], whole: Any) -> Any:
        node = whole
        *way, last = parse_path(self._part.place)
        for step in way:
            if isinstance(step, int):  # of a list on the way only the entry that leads on
                node[:] = [node[step]]
                step = 0  # noqa: PLW2901 - its place now
            node = node[step]
        if isinstance(last, int):
            node[:] = records
        else:
            node[last] = records[0]
        return whole

    def _variation(self, number: int) -> Variation:
        sample_at = self._at.timestamp() if self._at is not None else None
        name = f"{self.connector.source}.{self.seed}"
        variation = Variation(name, number, seed=self.seed, sample_at=sample_at)
        variation.person(self._expected, self._texts)
        variation.ids(self._ids)
        return variation

    def _pulled(self) -> Any:
        """How the source lists the record; None where it lists none."""
        reconcile = reconcile_of(self.connector)
        for pulled in pulled_of(self.connector.source) if reconcile is not None else ():
            if reconcile is None or pulled.name != "typical":
                continue
            self.parents = pulled.parents
            (poll, _), *_ = polls_of_window(reconcile, _A_WINDOW, self.options)
            own = poll.streams[0].records_at if poll.streams else None
            for part in take_apart(pulled.answer, own or poll.records_at):
                body = pushed_body(reconcile, part.value, pulled.parents)
                posted = split_records(self.connector, orjson.dumps(body), "application/json")
                if any(event_id_of(self.connector, record) == self._id for record in posted):
                    return part.value
        return None

    def _seen(self, record: Any) -> dict[str, Any]:
        part = Part(self._part.place, record, self._part.beside)
        try:
            return with_beside(prepare_part(arrival_prepare(self.connector), part), part.beside)
        except AfluenteError as error:
            raise ConfigurationError(f"samples/{self.connector.source}: {error}") from error

    def _own_ids(self, seen: dict[str, Any]) -> list[str]:
        """Texts of the sample that make its id, or tell its contact from another: those are made others."""
        named = [str(value) for path in self.connector.contact_at if (value := get_path(seen, path)) is not None]
        named += [str(self._expected["external_id"])] if self._expected.get("external_id") else []
        ids = [text for text in named if "@" not in text]
        own = self._id or ""
        if own and "@" not in own:
            parts = [text for text in set(self._texts) if len(text) >= _SHORTEST_ID and text in own]
            # The last one names the record, those before what it belongs to.
            ids += sorted(parts, key=lambda text: (own.rindex(text) + len(text), len(text)))[-1:]
        return ids


def _typical(connector: Connector) -> Sample:
    sample = next((sample for sample in samples_of(connector.source) if sample.name == "typical"), None)
    if sample is None:
        raise ConfigurationError(f"samples/{connector.source} has no typical sample to invent leads after")
    return sample


def _template(connector: Connector, sample: Sample) -> tuple[Any, Part, int]:
    """The whole body where it is JSON, its first record, and the place of that among its records."""
    try:
        parts = split_body(connector, sample.body, sample.content_type)
    except UnreadableBody as error:
        raise ConfigurationError(f"samples/{connector.source}/typical: {error}") from error
    place = next(place for place, part in enumerate(parts) if isinstance(part.value, dict))
    document = orjson.loads(sample.body) if sample.content_type.startswith(_JSON) else None
    return document, parts[place], place


def _varied_form(sample: Sample, variation: Variation) -> bytes:
    text = sample.body.decode()
    if sample.content_type.startswith(_FORM):
        pairs = parse_qsl(text, keep_blank_values=True)
        return urlencode([(name, variation.of_text(value)) for name, value in pairs]).encode()
    return "\n".join(
        line if line.lower().startswith("content-") else _with_end(line, variation) for line in text.split("\n")
    ).encode()


def _with_end(line: str, variation: Variation) -> str:
    stripped = line.rstrip("\r")
    return variation.of_text(stripped) + line[len(stripped) :]
