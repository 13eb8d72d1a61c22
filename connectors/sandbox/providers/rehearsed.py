"""Providers inside the sandbox, below `/providers/SOURCE`: what the samples say, for a rehearsal without an account."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

import orjson

from connectors.kit.errors import RecordError
from connectors.kit.paths import get_path
from connectors.kit.registry import sources
from connectors.kit.sources.declarations import Connector, Poll
from connectors.kit.sources.fetching.addresses import target_of
from connectors.kit.sources.fetching.fetch import Fetch, fetch_of
from connectors.kit.sources.paging.streams import poll_of_stream
from connectors.kit.sources.parts import RecordsMissingError, take_apart, with_beside
from connectors.kit.sources.records import UnreadableBody, split_body
from connectors.kit.sources.samples import samples_of, served_samples
from connectors.kit.times import parse_time
from connectors.sandbox.dialects.dialect import Reply, Request
from connectors.sandbox.providers.listing import Listed, Listing
from connectors.sandbox.providers.provider import Provider

_PREFIX = "/providers/"


def answer_provider(request: Request) -> Reply | None:
    """None where there is no such provider."""
    if not request.path.startswith(_PREFIX):
        return None
    source, slash, path = request.path.removeprefix(_PREFIX).partition("/")
    provider = _provider(source)
    return provider.answer(request, slash + path) if provider is not None else None


def sample_provider(source: str) -> Provider | None:
    """A provider that holds what the samples of a source say that it has, and lets everybody in who shows a token; None
    for a source that neither is polled nor sends ids."""
    connector = sources().get(source)
    if connector is None:
        return None
    if isinstance(connector.intake, Poll):
        return _polled(connector, connector.intake)
    fetch = fetch_of(connector)
    return _fetched(connector, fetch) if fetch is not None else None


@cache
def _provider(source: str) -> Provider | None:
    return sample_provider(source)


def _polled(connector: Connector, intake: Poll) -> Provider:
    provider = Provider(connector.source)
    polls = [poll_of_stream(intake, stream) for stream in intake.streams if stream.parent is None] or [intake]
    for poll in polls:
        listing = Listing(poll)
        for sample in served_samples(connector.source):
            with suppress(RecordsMissingError):
                records = [part.value for part in take_apart(orjson.loads(sample.body), poll.records_at)]
                listing.entries += [
                    Listed(record, parse_time(get_path(record, connector.occurred_at))) for record in records
                ]
        provider.lists[path_within(connector.source, poll.url)] = listing
    return provider


def path_within(source: str, url: str) -> str:
    """The path of a declared address as the provider's own API has it."""
    return urlsplit(url).path.removeprefix(_PREFIX + source)


def _fetched(connector: Connector, fetch: Fetch) -> Provider:
    source = connector.source
    options = fetch.defaults
    provider = Provider(source)
    for sample in samples_of(source):
        try:
            came = [
                with_beside(part.value, part.beside)
                for part in split_body(connector, sample.body, sample.content_type)
                if isinstance(part.value, dict)
            ]
        except UnreadableBody:
            continue
        answers = iter(sample.fetched)
        for record in came:
            if not fetch.applies_to(record):
                continue
            answer = next(answers, None)
            try:
                path = urlsplit(target_of(fetch, record, options).url).path
            except RecordError:
                continue
            if answer is not None:
                provider.records[path] = answer
    return provider
