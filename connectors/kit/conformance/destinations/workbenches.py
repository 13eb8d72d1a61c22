"""What a check is given: one kind of CRM, somebody who answers for it, and a way to look inside."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from connectors.kit.conformance.destinations.line import Line
from connectors.kit.destinations.capabilities import Deletes
from connectors.kit.destinations.declarations import Connection, DestinationType, Record, SentField, Writer, WriteResult
from connectors.kit.errors import AfluenteError, QuotaError, TransientError

_MORE_ROUNDS = 20  # of deleting, where an account's limit ends one in its midst
_LONGEST_WAIT_SECONDS = 15.0
TIMEOUT_SECONDS = 10.0  # of a writer, where nothing is to time out


class NotApplicable(Exception):  # noqa: N818 - no error: a kind that has no use for a check
    """Why a check says nothing of a kind, as a sentence."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a check: `problems`, or why it does not apply."""

    check: str
    problems: tuple[str, ...] = ()
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A record as the CRM has it, seen by another way than the writer's where there is one."""

    key: str
    crm_id: str
    fields: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Linked:
    """An object that leads to another: `to_fields` make a record of the object `to`, `fields` one of `object`, whose
    `role` is to lead there. `linked_id` reads in the fields of a seen record of `object` where the role leads: by
    default in the one of the role's name."""

    object: str
    fields: Mapping[str, Any]
    role: str
    to: str
    to_fields: Mapping[str, Any]
    subject: str = "person"
    to_subject: str = "company"
    linked_id: Callable[[Mapping[str, Any]], Any] | None = None

    def leads_to(self, fields: Mapping[str, Any]) -> Any:
        return fields.get(self.role) if self.linked_id is None else self.linked_id(fields)


@dataclass(frozen=True, slots=True)
class Consents:
    """An object that consents are told by. `fields_of` gives the fields of the consent of somebody by number, but for
    those that say what holds: `granted` and `withdrawn`. `sent_fields`: all of them, as a mapping would declare them.
    `seen`: the fields of what the CRM has of a record's consent, where it is not found by our key.
    """

    object: str
    fields_of: Callable[[int], dict[str, Any]]
    granted: Mapping[str, Any]
    withdrawn: Mapping[str, Any]
    sent_fields: tuple[SentField, ...] = ()
    seen: Callable[[Record], list[Mapping[str, Any]]] | None = None


@dataclass
class Workbench:
    """`connection` leads to whoever answers for the CRM, through `line` where it speaks HTTP.

    `fields_of` makes the CRM's fields of canonical values (email, first_name, last_name, company, job_title, city), as
    the mapping does. `seen` gives the records of these keys, of an object or of the one that people are; None where
    nobody can look inside.
    `refused` are fields that the CRM refuses, of one record; by default an e-mail that is none and too long as well.
    `usage_headers` are what the CRM would say of (used, limit). `lose_answers` makes what is no HTTP lose the answer to
    the next write after it was done. `unkeyed` puts a record there as somebody else does, without our key, and
    gives its id. `changed_field`: that says when a record was changed, where the kind knows none.
    `person_id`: of a key the id by which people are listed and found, where that is not the record's own; `remove`
    makes a record of that id go, where its writer deletes others. `kept_in_adoption`: fields of a record that is taken
    over which stay as the CRM has them.
    """

    destination: DestinationType
    connection: Connection
    fields_of: Callable[[Mapping[str, Any]], dict[str, Any]]
    seen: Callable[[Sequence[str], str | None], list[SeenRecord]] | None
    line: Line | None = None
    refused: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    usage_headers: Callable[[int, int], Mapping[str, str]] | None = None
    lose_answers: Callable[[], None] | None = None
    linked: Linked | None = None
    consents: Consents | None = None
    unkeyed: Callable[[Record], str] | None = None
    changed_field: str | None = None
    person_id: Callable[[str], str] | None = None
    remove: Callable[[str], None] | None = None
    kept_in_adoption: tuple[str, ...] = ()
    is_upstream_local: bool = True
    announced: int = field(default=0, init=False)  # calls that a writer asked a grant for
    _made: dict[str, Record] = field(default_factory=dict, repr=False)  # people by key, since `clear_away`
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)
    _run: str = field(default_factory=lambda: uuid4().hex[:8])

    def be_well(self) -> None:
        """No fault, and no call counted."""
        self.announced = 0
        if self.line is not None:
            self.line.be_well()

    def need_line(self) -> Line:
        """Raises NotApplicable where answers cannot be spoiled."""
        if self.line is None:
            raise NotApplicable("speaks no HTTP: there is no answer with a status, headers and results to spoil")
        return self.line

    @contextlib.contextmanager
    def writer(self, **changed: Any) -> Iterator[Any]:
        """A writer of its own; `changed` takes the place of parts of the connection."""
        connection = replace(self.connection, **{"before_call": self._announce, **changed})
        opened: Writer = self.destination.connect(connection)
        try:
            yield opened
        finally:
            opened.close()

    def clear_away(self) -> None:
        """Delete all people made so far, where the writer is able to. Raises as it does, and TransientError where some
        are left."""
        left, self._made = list(self._made.values()), {}
        size = self.destination.batch_size
        with self.writer() as writer:
            if not isinstance(writer, Deletes):
                return
            for _ in range(math.ceil(len(left) / size) + _MORE_ROUNDS):
                try:
                    results = writer.delete(left[:size])
                except QuotaError as error:
                    results = [WriteResult(record.key, "retry", message=str(error)) for record in left[:size]]
                    time.sleep(min(error.retry_after, _LONGEST_WAIT_SECONDS))
                again = {result.key for result in results if result.state == "retry"}
                left = [record for record in left[:size] if record.key in again] + left[size:]
                if not left:
                    return
        said = next((result.message for result in results if result.state == "retry"), None)
        raise TransientError(f"{len(left)} are left ({said})")

    def _announce(self, cost: int = 1) -> None:
        self.announced += cost

    def people(self, count: int, **values: Any) -> list[Record]:
        """New invented people, each with a key and an address of its own."""
        return [self.person(str(uuid4()), **values) for _ in range(count)]

    def person(self, key: str, **values: Any) -> Record:
        number = next(self._numbers)
        known = {
            "email": f"vera{number}.{self._run}@example.org",
            "first_name": "Vera",
            "last_name": f"Quillfeather{number}",
            "full_name": f"Vera Quillfeather{number}",
            "company": f"Bramblewick {number}",
            "job_title": "Cartographer",
            "city": "Lissabon",
        }
        self._made[key] = Record(key, self.fields_of({**known, **values}))
        return self._made[key]

    def changed(self, record: Record) -> Record:
        """The same person with another city, or where the CRM gets no city with another job title or company."""
        for name, value in (("city", "Coimbra"), ("job_title", "Lighthouse keeper"), ("company", "Marrowby")):
            plain, other = self.fields_of(_PLAIN), self.fields_of({**_PLAIN, name: value})
            differing = {field: other[field] for field in other if other[field] != plain.get(field)}
            if differing:
                return replace(record, fields={**record.fields, **differing})
        raise NotApplicable("its mapping sends neither city nor job title nor company: nothing to change")

    def field_of(self, name: str) -> str:
        """The CRM's field that a canonical one goes to alone. Raises NotApplicable."""
        whole = self.fields_of(_PLAIN)
        bare = self.fields_of({known: value for known, value in _PLAIN.items() if known != name})
        for sent in whole:
            if sent not in bare and whole[sent] == _PLAIN[name]:
                return sent
        raise NotApplicable(f"its mapping sends no field that holds {name} alone")

    def optional_field(self) -> str:
        """A field that may be empty."""
        for name in ("city", "job_title"):
            with contextlib.suppress(NotApplicable):
                return self.field_of(name)
        raise NotApplicable("its mapping sends neither city nor job title as it is: no field that may be empty")

    def refused_person(self) -> Record:
        """Somebody the CRM refuses, whose values nobody else has."""
        [record] = self.people(1)
        if self.refused is not None:
            return replace(record, fields=self.refused(dict(record.fields)))
        # No address and too long, for those that check the one and those that check the other.
        unfit = "vera quillfeather, Bramblewick " + "Rowanberry " * 30
        return replace(record, fields={**record.fields, self.field_of("email"): unfit})

    def seen_by_key(self, records: Sequence[Record], object_name: str | None = None) -> dict[str, list[SeenRecord]]:
        """What the CRM has of these records: one each, if all is well. Raises NotApplicable where nobody can look."""
        if self.seen is None:
            raise NotApplicable("nobody can look into it: its writer has no method read")
        keys = [record.key for record in records]
        found: dict[str, list[SeenRecord]] = {key: [] for key in keys}
        for seen in self.seen(keys, object_name):
            if seen.key in found:
                found[seen.key].append(seen)
        return found


_PLAIN = {
    "email": "vera0@example.org",
    "first_name": "Vera",
    "last_name": "Quillfeather",
    "full_name": "Vera Quillfeather",
    "company": "Bramblewick",
    "job_title": "Cartographer",
    "city": "Lissabon",
}

WorkbenchCheck = Callable[[Workbench], list[str]]


def wrong_results(records: Sequence[Record], results: Sequence[WriteResult], *states: str) -> list[str]:
    """What is wrong with the results of a write: one for each record, in order, in one of these states."""
    if [result.key for result in results] != [record.key for record in records]:
        return [
            f"{len(results)} results for {len(records)} records, or not in their order: one each, in the order given"
        ]
    return [
        f"record {place} is {result.state!r} ({result.code}); due: {' or '.join(states)}"
        for place, result in enumerate(results)
        if result.state not in states
    ]


def ids_of_others(records: Sequence[Record], results: Sequence[WriteResult], bench: Workbench) -> list[str]:
    """Results that are claimed to be written under an id that another record has."""
    seen = bench.seen_by_key(records)
    return [
        f"record {place} is said to have the id of another"
        for place, (record, result) in enumerate(zip(records, results, strict=True))
        if result.state == "written" and [found.crm_id for found in seen[record.key]] != [result.crm_id]
    ]


def not_alone(records: Sequence[Record], bench: Workbench) -> list[str]:
    """Records of which the CRM has none, or more than one."""
    seen = bench.seen_by_key(records)
    return [
        f"the CRM has {len(seen[record.key])} records of record {place}; one is due"
        for place, record in enumerate(records)
        if len(seen[record.key]) != 1
    ]


def attempt(work: Callable[[], Any]) -> tuple[Any, AfluenteError | None]:
    """What a call gave, or the error of ours that it raised. Any other exception goes through: it is a finding."""
    try:
        return work(), None
    except AfluenteError as error:
        return None, error
