"""What a provider holds of the leads that it posts: each by its id, and all in the lists that it is asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.kit.sources.auth import HeaderKey
from connectors.kit.sources.declarations import Poll, Stream
from connectors.kit.sources.fetching.addresses import target_of
from connectors.kit.sources.fetching.fetch import Fetch, fetch_of
from connectors.kit.sources.paging.declared import PageToken
from connectors.kit.sources.paging.streams import parent_id_of, poll_of_parents, poll_of_stream
from connectors.kit.sources.reconciling.asking import parent_target, polls_of_window
from connectors.kit.sources.reconciling.declared import Reconcile, Window, reconcile_of
from connectors.sandbox.providers.invented import Inventor, Lead
from connectors.sandbox.providers.listing import Listed, Listing
from connectors.sandbox.providers.provider import Provider

_WINDOW = ("from", "to")
_A_WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))  # its values are not looked at


def hold(
    provider: Provider,
    inventor: Inventor,
    leads: Sequence[Lead],
    *,
    listed: Sequence[Lead] | None = None,
    page_size: int = 100,
) -> None:
    """Give the provider these leads. `listed`: those that its lists know already, None: all; `page_size`: the most that
    a page of them holds."""
    if (fetch := fetch_of(inventor.connector)) is not None:
        provider.records.update(_by_id(fetch, leads))
    if (reconcile := reconcile_of(inventor.connector)) is not None and inventor.is_listed:
        if isinstance(reconcile.poll.auth, HeaderKey):
            provider.key_header = reconcile.poll.auth.name.lower()
        entries = [Listed(lead.listed, lead.at) for lead in (leads if listed is None else listed)]
        _Lists(provider, reconcile, entries, page_size).add(inventor.options, inventor.parents[:-1])


def _by_id(fetch: Fetch, leads: Sequence[Lead]) -> Iterator[tuple[str, Any]]:
    options = fetch.defaults
    for lead in leads:
        if lead.fetched is not None and fetch.applies_to(lead.record):
            yield urlsplit(target_of(fetch, lead.record, options).url).path, lead.fetched


class _Lists:
    """The lists of a source that has one parent, or none."""

    def __init__(self, provider: Provider, reconcile: Reconcile, entries: list[Listed], page_size: int) -> None:
        self._provider, self._reconcile, self._entries, self._page_size = provider, reconcile, entries, page_size

    def add(self, options: Mapping[str, Any], above: Sequence[Mapping[str, Any]]) -> None:
        """`options`: what they are asked with; `above`: what the records belong to, nearest first."""
        for asked, _ in polls_of_window(self._reconcile, _A_WINDOW, options):
            if not asked.streams:
                self._add_list(asked, None)
            declared = {stream.name: stream for stream in self._reconcile.poll.streams}
            for stream in asked.streams:
                parent_id = self._add_parent(asked, stream, above)
                self._add_list(poll_of_stream(asked, stream, parent_id), declared[stream.name])

    def _add_list(self, asked: Poll, declared: Stream | None) -> None:
        """The list at the address of `asked`; where the window stands in a request says the declaration."""
        poll = self._reconcile.poll
        own = poll.params if declared is None or declared.params is None else declared.params
        address = urlsplit(declared.url if declared is not None and declared.url is not None else poll.url)
        params = {**dict(parse_qsl(address.query)), **own}
        body = poll.body if declared is None or declared.body is None else declared.body
        listing = Listing(
            dataclasses.replace(asked, params=params, body=body),
            self._entries,
            window=_WINDOW,
            page_size=self._page_size,
            # Whoever goes on from the last record of a page goes back in time.
            is_newest_first=isinstance(asked.pages, PageToken) and "[-1]" in asked.pages.at,
        )
        self._provider.lists[urlsplit(asked.url).path] = listing

    def _add_parent(self, asked: Poll, stream: Stream, above: Sequence[Mapping[str, Any]]) -> str | None:
        """The list of parents, which has one; its id."""
        if stream.parent is None:
            return None
        record = above[0]
        listed = poll_of_parents(asked, stream.parent)
        self._provider.lists[urlsplit(listed.url).path] = Listing(listed, [Listed(record)])
        parent_id = parent_id_of(stream.parent, record) or ""
        if (whole := parent_target(self._reconcile, asked, parent_id)) is not None:
            self._provider.records[urlsplit(whole.url).path] = record
        return parent_id
