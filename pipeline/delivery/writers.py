"""Open lines to CRM accounts: one for each destination, process and thread, kept so that connections stay alive."""

from __future__ import annotations

import os
import threading
from functools import cache

import msgspec

from connectors.kit import Connection, DestinationType, Record, Writer, WriteResult, destination_types
from pipeline.errors import ConfigurationError
from pipeline.settings.declarations import DestinationSettings
from pipeline.settings.loading import Settings, settings
from pipeline.settings.secrets import reference
from pipeline.stages.mapping.source_mapping import DestinationMapping
from pipeline.stages.mappings_in_force import destination_mapping_in_force


class Line(msgspec.Struct, frozen=True):
    """A destination ready to be written to. `rate` is in calls per second, `batch_size` in records per call."""

    destination: str
    writer: Writer
    mapping: DestinationMapping
    batch_size: int
    rate: float
    burst: int
    timeout_seconds: float
    can_mark: bool = False  # whose record stands for a person who was merged

    def write(self, records: list[Record]) -> list[WriteResult]:
        """One result for each record, in the order given; "retry" for one left out. Raises as `Writer.write`."""
        by_key = {result.key: result for result in self.writer.write(records)}
        return [
            by_key.get(record.key)
            or WriteResult(record.key, "retry", code="no_result", message="the connector says nothing of this record")
            for record in records
        ]


def line_to(destination: str) -> Line:
    """The open line to a destination of the settings. Raises ConfigurationError, and what opening a writer raises."""
    lines = _lines(os.getpid()).open
    configured = settings().destinations[destination]
    mapping = destination_mapping_in_force(configured.mapping or configured.kind)
    if destination not in lines:
        lines[destination] = _open(destination, mapping)
    elif lines[destination].mapping is not mapping:  # its file was edited meanwhile
        lines[destination] = msgspec.structs.replace(lines[destination], mapping=mapping)
    return lines[destination]


def hang_up(destination: str) -> None:
    """Close the line: the next call opens a new one, with secrets read anew."""
    line = _lines(os.getpid()).open.pop(destination, None)
    if line is not None:
        line.writer.close()


def connection_to(destination: str, known: Settings) -> Connection:
    """How to reach a destination, with its secrets resolved. Raises ConfigurationError naming what is wrong."""
    configured = known.destinations[destination]
    kind = kind_of(destination, configured)
    for word, given, allowed in (
        ("options", configured.options, kind.options),
        ("secrets", configured.secrets, kind.secrets),
    ):
        unknown = sorted(set(given) - set(allowed))
        if unknown:
            raise ConfigurationError(
                f"destinations.{destination}.{word}: {', '.join(unknown)} is not known to {kind.kind};"
                f" allowed: {', '.join(allowed) or 'none'}"
            )
    secrets = {
        name: reference(text, f"destinations.{destination}.secrets.{name}").resolve(known.environ)
        for name, text in configured.secrets.items()
    }
    return Connection(
        name=destination,
        base_url=configured.base_url,
        options=dict(configured.options),
        secrets=secrets,
        timeout_seconds=configured.timeout_seconds,
    )


def kind_of(destination: str, configured: DestinationSettings) -> DestinationType:
    """The declared kind of a destination. Raises ConfigurationError naming the kinds there are."""
    kinds = destination_types()
    if configured.kind not in kinds:
        raise ConfigurationError(
            f"destinations.{destination}.kind is {configured.kind!r}; allowed: {', '.join(sorted(kinds))}"
        )
    return kinds[configured.kind]


def _open(destination: str, mapping: DestinationMapping) -> Line:
    configured = settings().destinations[destination]
    kind = kind_of(destination, configured)
    return Line(
        destination=destination,
        writer=kind.open(connection_to(destination, settings())),
        mapping=mapping,
        batch_size=min(configured.batch_size or kind.batch_size, kind.batch_size),
        rate=configured.calls_per_second or kind.calls_per_second,
        burst=configured.burst or kind.burst,
        timeout_seconds=configured.timeout_seconds,
        can_mark=kind.merge == "mark",
    )


class _Lines(threading.local):
    """Each thread's own: a writer holds one HTTP session, which is not for sharing."""

    def __init__(self) -> None:
        self.open: dict[str, Line] = {}


@cache
def _lines(_process: int) -> _Lines:
    # By process: a socket that a fork copied belongs to the parent.
    return _Lines()
