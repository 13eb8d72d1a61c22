"""What a writer may be able to do beside writing. Each is a protocol that a writer of a CRM has or has not; the engine
asks `isinstance`, and `DestinationType.abilities` says so for pages and `afluente doctor`.

Each method makes one call, or as many as its text says, and raises as `Writer.write` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

from connectors.kit.destinations.declarations import Record, WriteResult


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record as the CRM has it. `key`: our external id in it, None if it has none. `fields`: by the CRM's names."""

    crm_id: str
    key: str | None
    fields: dict[str, Any] = field(repr=False)


@runtime_checkable
class Reads(Protocol):
    """Reads back what was written."""

    def read(self, keys: Sequence[str]) -> dict[str, FoundRecord]:
        """Records by our key, with the fields that the mapping sends; those that are not there are left out.

        At most `batch_size` keys, one call.
        """
        ...


@runtime_checkable
class Deletes(Protocol):
    """Makes records go, for people who are to be forgotten."""

    def delete(self, records: Sequence[Record]) -> list[WriteResult]:
        """A result for each record, in order: "written" once it is gone, also with the code `record_gone` where it was
        not there any more. At most `batch_size` records; `crm_id` is used where it is known, else the key."""
        ...


@dataclass(frozen=True, slots=True)
class DescribedField:
    """A field as the CRM describes it. `kind`: one of the types of a mapping's `as`, or the CRM's own word for what is
    none. `max_length` in characters. `values`: the active values of a picklist, None if any will do. `converts`: it
    takes values of other types too and writes them as its own. `is_key`: our id can be kept in it and be found by."""

    name: str
    kind: str
    max_length: int | None = None
    is_required: bool = False
    is_writable: bool = True
    values: tuple[str, ...] | None = None
    converts: bool = False
    is_key: bool = False


@runtime_checkable
class Describes(Protocol):
    """Says which fields there are, so that a mapping can be judged before the first lead is."""

    def describe(self) -> tuple[DescribedField, ...]:
        """All fields of the object that is written to, in one to three calls."""
        ...


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person as the CRM has them. `values`: by canonical name (email, phone, first_name, last_name, full_name,
    company, …), texts as the CRM spells them. `key`: our external id in the record, if it has one."""

    crm_id: str
    key: str | None
    values: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """`cursor`: asks for the next page; None on the last one."""

    people: tuple[KnownPerson, ...]
    cursor: str | None


@runtime_checkable
class Lists(Protocol):
    """Goes through all people the CRM has."""

    def list_people(self, cursor: str | None = None) -> PeoplePage:
        """A page of people, in an order in which one who is added while it is read takes nobody's place. One call."""
        ...


@dataclass(frozen=True, slots=True)
class Lookup:
    """Whom to look for, by any of these; `key` tells the lookups of a call apart."""

    key: str
    emails: tuple[str, ...] = field(default=(), repr=False)
    phones: tuple[str, ...] = field(default=(), repr=False)  # E.164


@runtime_checkable
class Finds(Protocol):
    """Looks for people before it makes them."""

    def find(self, lookups: Sequence[Lookup]) -> dict[str, tuple[KnownPerson, ...]]:
        """The CRM's people with one of these addresses, by the lookup's key; those without any are left out.

        At most `batch_size` lookups, one or two calls.
        """
        ...


@runtime_checkable
class Adopts(Protocol):
    """Takes over records that were in the CRM without our key."""

    def adopt(self, records: Sequence[Record]) -> list[WriteResult]:
        """As `Writer.write`, of records that are known by `crm_id` alone, as `list_people` and `find` name them: each
        is written there and has our key from then on. None is made, and a repeat is harmless.

        "retry" with the code `record_gone` where there is no such record any more, with `key_taken` where another one
        has our key already: the caller then writes that one, or a new one, by our key. At most `batch_size` records.
        """
        ...


@runtime_checkable
class SetsUp(Protocol):
    """Makes in the CRM what the mapping needs there."""

    def setup(self, *, dry_run: bool = False) -> tuple[str, ...]:
        """A sentence for each thing that was made, or with `dry_run` would be; () where nothing is missing.

        Makes what is not there and changes nothing that is. Four calls, and one for each thing made, at most.
        """
        ...


@dataclass(frozen=True, slots=True)
class JobState:
    """`state`: "open", nothing is written yet; "running"; "over", results can be had; "gone", the CRM knows it no more.
    `message`: why it failed, in the CRM's words without values."""

    state: Literal["open", "running", "over", "gone"]
    message: str | None = None


@runtime_checkable
class Jobs(Protocol):
    """Takes many new records at once and tells later what became of them.

    A job is opened, filled and asked about by whichever process has time: its id is all that is kept. `job_above`: how
    many records must be due for it, None: no jobs; `job_size`: how many one takes. Records of a job have no `crm_id`.
    """

    job_above: int | None
    job_size: int

    def open_job(self) -> str:
        """The id of a job that writes nothing until it is filled. One call."""
        ...

    def fill_job(self, job_id: str, records: Sequence[Record]) -> None:
        """From here on the CRM writes. Raises TransientError where the job is not open any more. Two calls."""
        ...

    def job_state(self, job_id: str) -> JobState:
        """One call."""
        ...

    def job_results(self, job_id: str) -> dict[str, WriteResult]:
        """By our key, of a job that is over. A record that it says nothing of was not written. One to three calls."""
        ...

    def drop_job(self, job_id: str) -> None:
        """An open job will write nothing, of one that is over the CRM keeps nothing. Raises TransientError for one that
        runs. Two calls."""
        ...


@dataclass(frozen=True, slots=True)
class Watched:
    """What is read of an object's records when they change. `object`: the CRM's name of it, None: the writer's own.

    `fields` by the CRM's names. `addresses`: the fields that hold each canonical name, as {"email": ("Mail__c",)};
    none: those that the kind knows of an object of persons. `is_keyed`: our external id is a field of it. `id_field`
    and `changed_field`, the record's own id and its time of change, where they are not those that the kind knows.
    """

    object: str | None = None
    fields: tuple[str, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_keyed: bool = True
    id_field: str | None = None
    changed_field: str | None = None


@dataclass(frozen=True, slots=True)
class ChangedRecord:
    """A record as it is by now, which was changed last at `changed_at`, by the CRM's clock. `values`: addresses, as
    those of a KnownPerson."""

    crm_id: str
    key: str | None
    changed_at: datetime
    fields: dict[str, Any] = field(repr=False)
    values: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """`cursor`: asks for the next page; None on the last one. `undated`: how many records were left out, as their
    `changed_field` holds no moment."""

    records: tuple[ChangedRecord, ...]
    cursor: str | None
    undated: int = 0


@runtime_checkable
class TellsChanges(Protocol):
    """Says which records were changed, so that what people do in the CRM is known here too."""

    def list_changes(self, watched: Watched, since: datetime | None, cursor: str | None = None) -> ChangesPage:
        """A page of the records that were made or changed at `since` or later, whoever did it; None: of all. Those that
        were deleted too, where the CRM keeps them. None is left out that was changed before the first page was asked
        for; one that is changed meanwhile may come once more. One whose `changed_field` is empty is left out, and stops
        none of the others. One call.

        Raises ConfigurationError where `watched` lacks what the kind does not know by itself.
        """
        ...


CAPABILITIES: dict[str, str] = {
    "reads": "read",
    "deletes": "delete",
    "describes": "describe",
    "lists": "list_people",
    "finds": "find",
    "adopts": "adopt",
    "sets_up": "setup",
    "jobs": "open_job",
    "tells_changes": "list_changes",
}
"""Each capability and the method by which a writer has it."""


def abilities_of(writer: object) -> tuple[str, ...]:
    """The names of what a writer, or its class, is able to do, in the order of `CAPABILITIES`."""
    return tuple(name for name, method in CAPABILITIES.items() if callable(getattr(writer, method, None)))
