"""Which sources are polled, for which brand, at which address, and why one is not."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

import msgspec
import orjson

from connectors.kit.registry import own_sources
from connectors.kit.sources.auth import auth_of
from connectors.kit.sources.collected.kinds import Collected
from connectors.kit.sources.declarations import Connector, Poll
from connectors.kit.sources.paging.asking import is_credential
from pipeline.errors import ConfigurationError
from pipeline.settings.loading import Settings
from pipeline.settings.set_up_sources import connector_name, set_up_source

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SANDBOX = ("127.0.0.1", 8081)  # where a shipped declaration finds the feed that the sandbox plays
_RESERVED = re.compile(r"(?:^|\.)(?:example\.(?:com|org|net)|example|test|invalid)$")  # RFC 2606: nobody's
STREAM = ""  # of a source that is read as one


class PolledSource(msgspec.Struct, frozen=True):
    """A polled source with one brand. `why_not`: a sentence if it is not polled, with what to do, else None; then
    `brand` is None if none is said. `is_wanted`: somebody set it up, and will wonder where its leads are."""

    slug: str
    brand: str | None
    connector: Connector
    why_not: str | None
    is_wanted: bool

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of its streams; one without a name if it is read as one."""
        return streams_of(self.connector)


def polled_sources(known: Settings, connectors: Mapping[str, Connector]) -> list[PolledSource]:
    """Every declared source that is polled, with each brand whose leads it holds, in a stable order."""
    return list(_polled_sources(known, connectors))


def poll_of(known: Settings, slug: str, connector: Connector) -> Poll:
    """The declaration with what afluente.yaml says of this source. Raises ConfigurationError without an address."""
    declared = declared_poll(slug, connector)
    entry = known.source(slug)
    url = _address(known, slug, declared)
    if url is None:
        raise ConfigurationError(f"set sources.{slug}.url in afluente.yaml: it says which address to poll")
    return dataclasses.replace(declared, url=url, rate_per_second=entry.rate_per_second or declared.rate_per_second)


def declared_poll(slug: str, connector: Connector) -> Poll:
    """Raises ConfigurationError for a source that comes in another way."""
    intake = connector.intake
    if not isinstance(intake, Poll):
        raise ConfigurationError(f"the source {slug} is not polled; it comes by {type(intake).__name__}")
    return intake


def streams_of(connector: Connector) -> tuple[str, ...]:
    """The names of a polled source's streams; one without a name if it is read as one."""
    intake = connector.intake
    return (isinstance(intake, Poll) and tuple(stream.name for stream in intake.streams)) or (STREAM,)


def is_polled(connector: Connector) -> bool:
    """Whether beat has its leads fetched on a schedule: feeds, and what is collected as they are."""
    return isinstance(connector.intake, Poll | Collected)


def poll_seconds(known: Settings, slug: str, connector: Connector) -> float:
    declared: int = getattr(connector.intake, "every_seconds", 60)
    return float(known.source(slug).every_seconds or declared)


def address_digest(poll: Poll, connector: Connector) -> str:
    """Of the address and the cursor that a position belongs to. Scheme and credentials in it may change."""
    parts = urlsplit(poll.url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    port = None if port in _DEFAULT_PORTS.values() else port
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not is_credential(pair[0])]
    cursor = poll.cursor and (poll.cursor.param, poll.cursor.field, poll.cursor.next_at)
    content = orjson.dumps([connector.source, parts.hostname, port, parts.path.rstrip("/"), query, cursor])
    return hashlib.sha256(content).hexdigest()[:32]


def settings_digest(known: Settings, slug: str, connector: Connector) -> str:
    """Of what afluente.yaml and the declaration say of a source. Secrets are in it as references only: not each process
    can read each of them, and all must come to the same digest."""
    content = msgspec.json.encode(known.source(slug)) + repr(connector.intake).encode()
    return hashlib.sha256(content).hexdigest()[:32]


def _polled_sources(known: Settings, connectors: Mapping[str, Connector]) -> Iterator[PolledSource]:
    for slug in sorted({*connectors, *known.sources}):
        entry = known.source(slug)
        declared = connectors.get(connector_name(known, slug))
        if declared is None or not is_polled(declared):
            continue
        if slug not in known.sources and declared.configured_by is not None:
            continue  # it is nothing before afluente.yaml describes a source by it
        why_not: str | None
        try:
            connector = set_up_source(known, slug, connectors) or declared
        except ConfigurationError as error:
            connector, why_not = declared, str(error)
        else:
            why_not = _why_not(known, slug, connector)
        is_wanted = entry.enabled and (slug in known.sources or _is_own_and_let_in(known, slug, connector.intake))
        brands: list[str | None] = [*(entry.brands or sorted(known.brands))]
        if entry.brands is None and len(known.brands) > 1:
            brands = [None]
        for brand in brands:
            yield PolledSource(slug, brand, connector, why_not, is_wanted)


def _why_not(known: Settings, slug: str, connector: Connector) -> str | None:
    """Where there are several brands, `brands` must say whose leads a feed holds: it is not read for all."""
    entry, declared = known.source(slug), connector.intake
    if not entry.enabled:
        return f"it is switched off: sources.{slug}.enabled is false"
    if isinstance(declared, Collected):
        return declared.why_not(slug, entry, entry.brands or sorted(known.brands), is_named=slug in known.sources)
    assert isinstance(declared, Poll)  # noqa: S101 - as the caller chooses them
    has_address = _address(known, slug, declared) is not None
    if slug not in known.sources and not (has_address and slug in own_sources()):
        return f"it is not in use: set sources.{slug}.url to the address to poll"
    if slug not in known.sources and (variable := _unset_secret(known, slug, declared)) is not None:
        return f"it is not in use: set {variable}, or name it under sources in afluente.yaml"
    if entry.brands is None and len(known.brands) > 1:
        names = ", ".join(sorted(known.brands))
        return f"there are several brands ({names}): set sources.{slug}.brands to the one whose leads it holds"
    return None if has_address else f"it has no address: set sources.{slug}.url to the one to poll"


def _is_own_and_let_in(known: Settings, slug: str, declared: object) -> bool:
    """A connector of the company's own folder that says where it asks, with its secrets set: that is all it needs."""
    return (
        isinstance(declared, Poll)
        and slug in own_sources()
        and _address(known, slug, declared) is not None
        and _unset_secret(known, slug, declared) is None
    )


def _unset_secret(known: Settings, slug: str, declared: Poll) -> str | None:
    """The variable of a secret that it declares to be shown and that some brand has no value for."""
    auth = auth_of(declared)
    if auth is None:
        return None
    brands = known.source(slug).brands or sorted(known.brands)
    for secret in auth.secrets:
        for brand in brands:
            if auth.secrets == (secret,):
                values = known.source_tokens(slug, secret.name, brand=brand)
            else:
                values = known.source_secrets(slug, secret.name, signs=False, brand=brand)
            if not values:
                return secret.name
    return None


def _address(known: Settings, slug: str, declared: Poll) -> str | None:
    """The one that afluente.yaml says; else the declared one, unless that is the sandbox's or nobody's; else, in a
    rehearsal, the sandbox's. None: it has none."""
    parts = urlsplit(declared.url)
    is_somewhere = parts.hostname is not None and _RESERVED.search(parts.hostname) is None
    own = declared.url if is_somewhere and (parts.hostname, parts.port) != _SANDBOX else None
    return known.source(slug).url or own or _rehearsal_url(known, slug, declared)


def _rehearsal_url(known: Settings, slug: str, declared: Poll) -> str | None:
    """Without a CRM of one's own the sandbox is the source too: its address in place of the declared one's.

    Only for a source that afluente.yaml mentions and says nothing of an API of: nobody finds invented leads among his
    own unasked.
    """
    parts = urlsplit(declared.url)
    if not known.uses_sandbox or slug not in known.sources or parts.hostname != "127.0.0.1":
        return None
    if known.source(slug).options:
        return None
    return known.destinations["sandbox"].base_url.rstrip("/") + parts.path
