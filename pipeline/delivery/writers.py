"""Open writers of CRM accounts: one for each destination, process and thread, kept so that connections stay alive."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import msgspec

from connectors.kit import (
    Adopts,
    Connection,
    Deletes,
    DestinationType,
    Finds,
    FoundRecord,
    Jobs,
    KnownPerson,
    Lookup,
    Reads,
    Record,
    Secrets,
    SentField,
    Usage,
    Writer,
    WriteResult,
)
from connectors.kit.destinations.options import read_options
from pipeline.access.destinations import secrets_for
from pipeline.delivery.accounts import AccountQuota, kind_of, quota_of
from pipeline.errors import ConfigurationError
from pipeline.settings.edges.outgoing import reach_of_destination
from pipeline.settings.loading import Settings, settings
from pipeline.stages.destination_mapping.declarations import PERSON
from pipeline.stages.mapping.source_mapping import DestinationMapping
from pipeline.targets import Target, destination_of, mapping_of


class CallCounter:
    """Where a writer announces its calls. Whoever has the grants listens while a write goes on."""

    def __init__(self) -> None:
        self.listener: Callable[[int], None] | None = None

    def before_call(self, cost: int = 1) -> None:
        if self.listener is not None:
            self.listener(cost)


class OpenWriter(msgspec.Struct, frozen=True):
    """A destination ready to be written to: a person's record, or another object of it. `batch_size` is in records per
    call, `quota` that of its account, `calls` where the writer announces each call."""

    destination: str
    writer: Writer
    mapping: DestinationMapping
    batch_size: int
    quota: AccountQuota
    calls: CallCounter
    timeout_seconds: float
    can_mark: bool = False  # whose record stands for a person who was merged

    @property
    def sent_as(self) -> str | None:
        """What the CRM knows our records by, if the writer says so."""
        return getattr(self.writer, "sent_as", None)

    @property
    def can_delete(self) -> bool:
        """Whether records of people who are to be forgotten can be made to go."""
        return isinstance(self.writer, Deletes)

    @property
    def jobs(self) -> Jobs | None:
        """Where many new records may go at once; None: the CRM takes no jobs, or is not to be given any."""
        return self.writer if isinstance(self.writer, Jobs) and self.writer.job_above else None

    @property
    def can_adopt(self) -> bool:
        """Whether a record that has no key of ours can be taken over. Else it is written with the CRM's id of it."""
        return isinstance(self.writer, Adopts)

    @property
    def usage(self) -> Usage:
        """What the CRM said of its long quota in its last answer."""
        return self.writer.usage

    def write(self, records: list[Record]) -> list[WriteResult]:
        """One result for each record, in the order given; "retry" for one left out. Raises as `Writer.write`."""
        return self._complete(records, self.writer.write(records))

    def adopt(self, records: list[Record]) -> list[WriteResult]:
        """As `write`, of records that are known by the CRM's id alone."""
        assert isinstance(self.writer, Adopts)  # noqa: S101 - who asks has looked at `can_adopt`
        return self._complete(records, self.writer.adopt(records))

    def find(self, lookups: list[Lookup]) -> dict[str, tuple[KnownPerson, ...]]:
        """The CRM's people with one of these addresses; nobody where it cannot be asked."""
        return self.writer.find(lookups) if isinstance(self.writer, Finds) else {}

    def delete(self, records: list[Record]) -> list[WriteResult]:
        """As `write`, of records that are to go."""
        assert isinstance(self.writer, Deletes)  # noqa: S101 - who asks has looked at `can_delete`
        return self._complete(records, self.writer.delete(records))

    def read(self, keys: list[str]) -> dict[str, FoundRecord]:
        """Records by our key, as the CRM has them; nothing where it does not tell."""
        return self.writer.read(keys) if isinstance(self.writer, Reads) else {}

    @staticmethod
    def _complete(records: list[Record], results: Sequence[WriteResult]) -> list[WriteResult]:
        by_key = {result.key: result for result in results}
        return [
            by_key.get(record.key)
            or WriteResult(record.key, "retry", code="no_result", message="the connector says nothing of this record")
            for record in records
        ]


def open_writer(target: Target) -> OpenWriter:
    """The writer of a destination of the settings, opened at first use. Raises ConfigurationError, and what opening it
    raises."""
    writers = _kept(os.getpid()).writers
    name, mapping = target.name, mapping_of(target)
    opened = writers.get(name)
    if opened is not None and opened.mapping is not mapping:  # its file was edited meanwhile
        if _is_told_the_same(opened.mapping, mapping):
            writers[name] = msgspec.structs.replace(opened, mapping=mapping)
        else:
            _close(name)  # it was told other fields
    if name not in writers:
        writers[name] = _open(target.destination, mapping)
    return writers[name]


def close_writer(destination: str) -> None:
    """The next call opens new ones, with secrets read anew."""
    for name in list(_kept(os.getpid()).writers):
        if destination_of(name) == destination:
            _close(name)


def _close(name: str) -> None:
    opened = _kept(os.getpid()).writers.pop(name, None)
    if opened is not None:
        opened.writer.close()


def connection_to(destination: str, known: Settings, mapping: DestinationMapping | None = None) -> Connection:
    """How to reach a destination, with its secrets resolved. Raises ConfigurationError naming what is wrong."""
    configured = known.destinations[destination]
    kind = kind_of(destination, configured)
    if mapping is not None and mapping.object is not None:
        check_object(kind, mapping)
    scheme, separator, _ = configured.base_url.partition("://")
    if scheme.lower() not in kind.schemes:
        raise ConfigurationError(  # without what comes after: some write a password there
            f"destinations.{destination}.base_url begins with {scheme + separator if separator else 'no scheme'};"
            f" allowed: {', '.join(f'{name}://' for name in kind.schemes)}"
        )
    options = read_options(destination, kind.options, configured.options)
    unknown = sorted(set(configured.secrets) - set(kind.secrets))
    if unknown:
        raise ConfigurationError(
            f"destinations.{destination}.secrets: {', '.join(unknown)} is not known to {kind.kind};"
            f" allowed: {', '.join(kind.secrets) or 'none'}"
        )
    return Connection(
        name=destination,
        base_url=configured.base_url,
        options=options,
        secrets=Secrets(destination, secrets_for(known, destination)),
        timeout_seconds=configured.timeout_seconds,
        fields=_sent_fields(mapping) if mapping else (),
        object=mapping.object if mapping else None,
        subject=mapping.subject if mapping else PERSON,
        links=_roles(mapping) if mapping else (),
        reach=reach_of_destination(known, destination),
    )


def check_object(kind: DestinationType, mapping: DestinationMapping) -> None:
    """Raises ConfigurationError for an object or a link that this kind of CRM does not have."""
    place = f"mappings/destinations/{mapping.destination}.yaml: objects.{mapping.object}"
    known = kind.object_type(mapping.object)
    if known is None:
        allowed = ", ".join(known.name for known in kind.objects) or "none, put `fields` at the root"
        raise ConfigurationError(f"{place} is no object that {kind.title} takes; allowed: {allowed}")
    if mapping.subject not in known.subjects:
        raise ConfigurationError(f"{place}.of is {mapping.subject!r}; allowed: {', '.join(known.subjects)}")
    for role, _ in mapping.links:
        if known.links and role not in known.links:
            raise ConfigurationError(f"{place}.links.{role} is not known; allowed: {', '.join(known.links) or 'none'}")


def _sent_fields(mapping: DestinationMapping) -> tuple[SentField, ...]:
    return tuple(SentField(rule.name, rule.kind, rule.max_length, rule.picklist) for rule in mapping.declaration.fields)


def _roles(mapping: DestinationMapping) -> tuple[str, ...]:
    return tuple(role for role, _ in mapping.links)


def _is_told_the_same(former: DestinationMapping, mapping: DestinationMapping) -> bool:
    """Whether a writer that was opened for the former mapping does for this one too."""
    return (former.object, _sent_fields(former), _roles(former)) == (
        mapping.object,
        _sent_fields(mapping),
        _roles(mapping),
    )


def _open(destination: str, mapping: DestinationMapping) -> OpenWriter:
    configured = settings().destinations[destination]
    kind = kind_of(destination, configured)
    is_person = mapping.subject == PERSON
    calls = CallCounter()
    connection = replace(connection_to(destination, settings(), mapping), before_call=calls.before_call)
    return OpenWriter(
        destination=destination,
        writer=kind.connect(connection),
        mapping=mapping,
        batch_size=min(configured.batch_size or kind.batch_size, kind.batch_size),
        quota=quota_of(destination, settings()),
        calls=calls,
        timeout_seconds=configured.timeout_seconds,
        can_mark=is_person and kind.merge == "mark",
    )


class _KeptWriters(threading.local):
    """Each thread's own: a writer holds one HTTP session, which is not for sharing."""

    def __init__(self) -> None:
        self.writers: dict[str, OpenWriter] = {}


@cache
def _kept(_process: int) -> _KeptWriters:
    # By process: a socket that a fork copied belongs to the parent.
    return _KeptWriters()
