"""A source as it is set up here: its declaration, its settings, its secrets, and whether a brand may use it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.kit import Connector, Secret, Signature, Webhook, sources
from connectors.kit.registry import broken_sources
from pipeline.errors import ConfigurationError
from pipeline.lanes import LANES
from pipeline.logs import get_logger
from pipeline.settings.loading import Settings
from pipeline.settings.secrets import Reference
from pipeline.settings.set_up_sources import connector_name, set_up_source, why_broken

_SECRETS_SECONDS = 5.0  # a rotated secret is known after this long
_log = get_logger(__name__)


class UnknownSourceError(Exception):
    """No such source, no such brand, or the two do not belong together. The text says which are known."""


class BrokenSourceError(Exception):
    """The company's own file of this source, or its options, are wrong: nothing is taken until somebody mends that."""


@dataclass(frozen=True, slots=True)
class SourceInstance:
    """One source of one brand. `slug` is its name in addresses and tables, `connector` its declaration as it is set up
    here, whose `source` is the name of its mapping."""

    brand: str
    slug: str
    connector: Connector
    lane: str
    enabled: bool

    @property
    def webhook(self) -> Webhook | None:
        intake = self.connector.intake
        return intake if isinstance(intake, Webhook) else None


@dataclass
class SourceBook:
    """Looks sources up by the names an address or a command gives. Settings are those of the start of the process."""

    settings: Settings
    known: Mapping[str, Connector] = field(default_factory=sources)
    _found: dict[tuple[str, str], SourceInstance] = field(default_factory=dict)
    _secrets: dict[tuple[str, str, str], tuple[float, list[str]]] = field(default_factory=dict)

    def find(self, brand: str, slug: str) -> SourceInstance:
        """Raises UnknownSourceError and BrokenSourceError."""
        instance = self._found.get((brand, slug))
        if instance is None:
            instance = self._found[brand, slug] = self._resolve(brand, slug)
        return instance

    def of_brands(self) -> list[SourceInstance]:
        """Every source with every brand that may use it, in a stable order."""
        slugs = sorted({*self.known, *self.settings.sources})
        return [
            self.find(brand, slug)
            for slug in slugs
            if connector_name(self.settings, slug) in self.known and why_broken(self.settings, slug, self.known) is None
            for brand in self.settings.source(slug).brands or sorted(self.settings.brands)
        ]

    def secrets(self, instance: SourceInstance, signature: Signature) -> list[str]:
        """The secrets a request may be signed with; empty, with a log line that says what to set, if there are none."""
        return self.secrets_named(instance, signature.secret, key="secret")

    def secrets_named(self, instance: SourceInstance, secret: Secret, *, key: str | None = None) -> list[str]:
        """The values of a declared secret, as above. `key` is its key in afluente.yaml, if not one of `secrets`."""
        now = time.monotonic()
        place = (instance.brand, instance.slug, secret.name)
        read_at, secrets = self._secrets.get(place, (-_SECRETS_SECONDS, []))
        if now - read_at < _SECRETS_SECONDS:
            return secrets
        try:
            secrets = self.settings.source_secrets(
                instance.slug, secret.name, signs=key is not None, brand=instance.brand
            )
        except ConfigurationError as error:
            secrets = []
            _log.error("source_secret_unreadable", source=instance.slug, remedy=str(error))
        if not secrets:
            setting = f"sources.{instance.slug}.{key or f'secrets.{secret.name}'}"
            _log.error(
                "source_secret_missing",
                source=instance.slug,
                remedy=f"set {secret.name} or {setting} in afluente.yaml; nothing is taken before",
            )
        self._secrets[place] = (now, secrets)
        return secrets

    def may_change(self, instance: SourceInstance, secret: Secret, *, signs: bool) -> bool:
        """Whether the values of a declared secret may have become others since they were read."""
        return any(place.is_kept for place in self._references(instance, secret, signs=signs))

    def renew(self, instance: SourceInstance, secret: Secret, *, signs: bool) -> None:
        """Read them again where they are kept: a request proves something else. May wait seconds for a store."""
        for place in self._references(instance, secret, signs=signs):
            place.renew(self.settings.environ)
        self._secrets.pop((instance.brand, instance.slug, secret.name), None)

    def _references(self, instance: SourceInstance, secret: Secret, *, signs: bool) -> list[Reference]:
        named = self.settings.source_references(instance.slug, secret.name, signs=signs, brand=instance.brand)
        return named or []

    def _resolve(self, brand: str, slug: str) -> SourceInstance:
        entry, declared = self.settings.source(slug), connector_name(self.settings, slug)
        try:
            connector = set_up_source(self.settings, slug, self.known)
        except ConfigurationError as error:
            raise BrokenSourceError(str(error)) from error
        if connector is None and declared in broken_sources():
            raise BrokenSourceError(broken_sources()[declared])
        if connector is None:
            raise UnknownSourceError(f"there is no source {slug[:64]!r}; known: {', '.join(sorted(self.known))}")
        if brand not in self.settings.brands:
            raise UnknownSourceError(
                f"there is no brand {brand[:64]!r}; afluente.yaml has: {', '.join(sorted(self.settings.brands))}"
            )
        if entry.brands is not None and brand not in entry.brands:
            raise UnknownSourceError(f"the source {slug!r} does not belong to the brand {brand!r}")
        lane = entry.lane or connector.lane
        if lane not in LANES:
            raise ConfigurationError(f"sources.{slug}.lane is {lane!r}; allowed: {', '.join(LANES)}")
        return SourceInstance(brand, slug, connector, lane, entry.enabled)
