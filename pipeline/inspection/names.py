"""Names that people give, of sources, brands, CRMs: found as they are set up, or refused with those that are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectors.kit.registry import broken_sources, sources
from pipeline.errors import UsageError
from pipeline.settings.loading import settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.intake.instances import SourceInstance


def check_source(slug: str, connection: Connection | None = None) -> None:
    """Raises UsageError unless a source is declared or set up under that name, or, with a `connection`, was when leads
    of it came."""
    from pipeline.store.reports import has_events_of_source

    known = {*sources(), *settings().sources}
    if connection is not None and slug not in known and has_events_of_source(connection, slug):
        return
    if slug in broken_sources():
        raise UsageError(f"the source {slug!r} is left out: {broken_sources()[slug]}")
    if slug not in known:
        raise UsageError(
            f"there is no source {slug!r}; known: {', '.join(sorted(known))}. `afluente source new` writes a new one"
        )


def check_brand(connection: Connection, brand: str | None) -> None:
    """Raises UsageError unless `brand` is None, is set up, or was when leads of it came.

    Where it is not set up, all events may have to be looked at: give a connection without a limit of time.
    """
    from pipeline.store.reports import has_events_of

    if brand is None or brand in settings().brands or has_events_of(connection, brand):
        return
    raise UsageError(f"there is no brand {brand!r}; known: {', '.join(sorted(settings().brands))}")


def check_chain(connection: Connection, brand: str | None) -> None:
    """Raises UsageError unless `brand` is None, is known as `check_brand` says, or has entries of the audit log."""
    from pipeline.store.audit.entries import read_heads

    if brand is not None and brand not in read_heads(connection):
        check_brand(connection, brand)


def check_destination(connection: Connection, name: str | None) -> None:
    """Raises UsageError unless `name` is None, is set up, or was when somebody was to go there."""
    from pipeline.store.reports import has_deliveries_to

    known = settings().destinations
    if name is None or name in known or has_deliveries_to(connection, name):
        return
    raise UsageError(f"there is no destination {name!r}; known: {', '.join(sorted(known)) or 'none'}")


def brand_of(slug: str, brand: str | None = None) -> str:
    """`brand`, or the only one that a source of this name can mean. Raises UsageError if there are several."""
    if brand is not None:
        return brand
    brands = settings().source(slug).brands or sorted(settings().brands)
    if len(brands) != 1:
        raise UsageError(f"is needed, as there are several: one of {', '.join(brands)}", argument="brand")
    return brands[0]


def find_instance(slug: str, brand: str | None = None) -> SourceInstance:
    """The source `slug` as it is set up for `brand`, or for the only brand that it can mean. Raises UsageError."""
    from pipeline.intake.instances import BrokenSourceError, SourceBook, UnknownSourceError

    check_source(slug)
    try:
        return SourceBook(settings()).find(brand_of(slug, brand), slug)
    except (BrokenSourceError, UnknownSourceError) as error:
        raise UsageError(str(error)) from error


def name_of_values(values: Mapping[str, Any]) -> str:
    """A person's name as its golden values have it; empty if they have none."""
    return values.get("full_name") or " ".join(
        part for part in (values.get("first_name"), values.get("last_name")) if part
    )
