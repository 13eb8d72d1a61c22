"""The declaration of a reconcile: a source that posts is asked afterwards what it has posted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from connectors.kit.destinations.options import Option
from connectors.kit.sources.declarations import Connector, Poll


@dataclass(frozen=True, slots=True)
class Reconcile:
    """How a source that posts is asked what it has posted, by the source's own list of records.

    `poll`: as of any poll, without a cursor. In `url`, `records_at`, `params`, `headers` and `body`, and those of its
    streams and parents, `{from}` and `{to}` are the window, written as `written` says (iso, iso_naive, date, unix,
    unix_ms), and `{name}` is an option; `{from:number}` is sent as a number. The source may list more: what lies
    outside the window by `occurred_at` is left alone. `takes_time` False: it takes no window at all, and everything is
    read each time.

    `pushed(record)`, or `pushed(record, parents)`: the whole body that the source would have posted for a record of the
    list; None for one that it would not have posted. It is pure. `parents`, nearest first: the record of the Parent
    where there is one, and the options. `parent_url`: where each parent with records is read whole, with `{parent}`
    for its id; the answer takes the place of the one in the list of parents.

    `listed_at`: the path of a listed record's time, where its post tells none.

    `options`: of `sources.NAME.reconcile`, or of `sources.NAME.options` where both know one; without a default it must
    be set before anything is asked. `each`: the option that may hold several values, separated by commas: everything is
    read for each. `lists`: the option that names which of the streams are read, separated by commas.

    `needs_address`: an example of what `sources.NAME.url` says, where each company has an address of its own: the one
    that is declared stands for it, and is never asked.
    """

    poll: Poll
    pushed: Callable[..., dict[str, Any] | None] = field(repr=False)
    written: str = "iso"
    options: tuple[Option, ...] = ()
    each: str | None = None
    parent_url: str | None = None
    listed_at: str | None = None
    takes_time: bool = True
    lists: str | None = None
    needs_address: str | None = None
    every_seconds: int = 3_600
    window_days: int = 2  # whole days before today
    grace_seconds: int = 900  # younger records may still be on their way, or not in the list yet

    @property
    def required(self) -> tuple[str, ...]:
        """The options that somebody has to set."""
        return tuple(option.name for option in self.options if option.default is None)


class Window(NamedTuple):
    """`begin` counts, `end` does not. Aware times."""

    begin: datetime
    end: datetime


def reconcile_of(connector: Connector | None) -> Reconcile | None:
    """How a source is asked what it has posted; None where it cannot be."""
    return getattr(connector.intake, "reconcile", None) if connector is not None else None
