"""A destination asked by hand, beside the workers: a writer of one's own, closed after use, and what it tells of its
fields. Nobody's deliveries wait for it, and no quota is asked: it is a handful of calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from connectors.kit import Describes, DestinationType, Writer
from pipeline.delivery.accounts import kind_of
from pipeline.delivery.writers import connection_to
from pipeline.errors import ConfigurationError, UsageError
from pipeline.settings.loading import Settings
from pipeline.stages.destination_mapping.described import Misfit, find_misfits
from pipeline.stages.destination_mapping.mapping import DESTINATION_MAPPINGS, DestinationMapping


class Inquiry(msgspec.Struct, frozen=True):
    """A destination, its mapping as the file stands now, and a writer for whoever asks."""

    known: Settings
    name: str
    kind: DestinationType
    mapping: DestinationMapping
    writer: Writer

    def misfits(self) -> list[Misfit] | None:
        """What of the mapping does not fit the fields that the CRM describes, of every object that the mapping names;
        None where this kind describes nothing. Raises as `Writer.write` does."""
        if not isinstance(self.writer, Describes):
            return None
        return [misfit for mapping, writer in self.objects() for misfit in misfits_of(self.kind, writer, mapping)]

    def objects(self) -> Iterator[tuple[DestinationMapping, Writer]]:
        """Each object that the mapping names with a writer of its own, which is closed when the next one is asked for;
        that of persons first."""
        yield self.mapping, self.writer
        for other in self.mapping.others:
            writer = self.kind.connect(connection_to(self.name, self.known, other))
            try:
                yield other, writer
            finally:
                writer.close()


@contextmanager
def inquire(known: Settings, name: str) -> Iterator[Inquiry]:
    """Raises UsageError for a name that afluente.yaml does not have, ConfigurationError for settings or a mapping file
    that are wrong."""
    if name not in known.destinations:
        raise UsageError(f"there is no destination {name!r} in afluente.yaml; known: {_names(known)}")
    configured = known.destinations[name]
    kind = kind_of(name, configured)
    trouble = DESTINATION_MAPPINGS.trouble(configured.mapping_name)
    if trouble is not None:
        raise ConfigurationError(trouble)
    mapping = DESTINATION_MAPPINGS.get(configured.mapping_name)
    writer = kind.connect(connection_to(name, known, mapping))
    try:
        yield Inquiry(known, name, kind, mapping, writer)
    finally:
        writer.close()


def misfits_of(kind: DestinationType, writer: Writer, mapping: DestinationMapping) -> list[Misfit]:
    """Of one object; none where its writer describes nothing. `sent_as`: what the CRM knows our records by, if the
    writer says so."""
    if not isinstance(writer, Describes):
        return []
    return find_misfits(
        mapping,
        writer.describe(),
        key=getattr(writer, "sent_as", None),
        links_are_fields=_takes_any_field(kind, mapping.object),
    )


def _takes_any_field(kind: DestinationType, name: str | None) -> bool:
    """Whether an object is linked to others by its fields; else by roles that the kind declares."""
    known = kind.object_type(name)
    return known is not None and not known.links


def _names(known: Settings) -> str:
    return ", ".join(sorted(known.destinations)) or "none"
