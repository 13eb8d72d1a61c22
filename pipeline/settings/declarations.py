"""What afluente.yaml may say (docs/settings.md lists every name)."""

from __future__ import annotations

from typing import Any

import msgspec

ROLES = ("ingest", "viewer", "operator", "admin")


LOG_FORMATS = ("text", "json")


class BrandSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One brand (tenant): people of different brands are never matched."""

    region: str | None = None
    title: str | None = None


class SourceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source instance. `secret` may be a list while a secret is being rotated.

    `secrets` are those that a connector declares beside the signature's, by the name of their variable, and the signing
    secrets of brands that have their own, by brand.
    """

    connector: str | None = None
    brands: list[str] | None = None
    region: str | None = None
    enabled: bool = True
    lane: str | None = None
    secret: str | list[str] | None = None
    secrets: dict[str, str | list[str]] = {}
    url: str | None = None
    token: str | None = None
    every_seconds: int | None = None
    rate_per_second: float | None = None
    options: dict[str, Any] = {}


class DestinationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One CRM account. `secrets` hold references only."""

    kind: str
    base_url: str
    mapping: str | None = None
    brands: list[str] | None = None
    enabled: bool = True
    calls_per_second: float | None = None
    burst: int | None = None
    batch_size: int | None = None
    timeout_seconds: float = 20.0
    options: dict[str, Any] = {}
    secrets: dict[str, str] = {}


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the machinery is paced. Seconds unless said otherwise."""

    batch_size: int = 500  # leads in one chain at most
    lease_seconds: int = 60  # a claim older than this is taken back
    in_flight_batches: int = 4  # chains at once per lane: backpressure
    delivery_lease_seconds: int = 60
    delivery_linger_seconds: float = 0.5  # bulk deliveries wait this long for a full batch
    delivery_attempts: int = 12  # transient failures and lost senders before a human looks
    sweep_seconds: float = 2.0
    quarantine_after_losses: int = 3  # an event that stood alone and lost its worker this often


class ReceiverSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP receiver as the world sees it."""

    public_url: str | None = None  # what senders were told: some sign it
    describe_sources: bool = False  # /docs and /openapi.json name brands and sources to anybody


class SettingsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    brands: dict[str, BrandSettings] = {}
    sources: dict[str, SourceSettings] = {}
    destinations: dict[str, DestinationSettings] = {}
    tuning: Tuning = Tuning()
    receiver: ReceiverSettings = ReceiverSettings()
    flower: dict[str, str] = {}


class ApiKey(msgspec.Struct, frozen=True):
    """One key of the HTTP API. `digest` is the SHA-256 of the key, which itself is not kept.

    `brands` are those it may post to and read; empty: all of them.
    """

    name: str
    role: str
    digest: bytes
    brands: tuple[str, ...] = ()

    def allows(self, brand: str) -> bool:
        return not self.brands or brand in self.brands
