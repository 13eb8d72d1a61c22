"""What afluente.yaml may say (docs/settings.md lists every name)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec

from pipeline.settings.access_settings import AccessSettings, AuditSettings
from pipeline.settings.consent_settings import ConsentSettings, WatchedObject
from pipeline.settings.edges.declared import OutgoingSettings, ReceiverSettings
from pipeline.settings.edges.register import RegisterSettings
from pipeline.settings.edges.residency import TransferBasis
from pipeline.settings.privacy_settings import PrivacySettings
from pipeline.settings.retention_settings import RetentionRule
from pipeline.settings.secret_settings import SecretSettings
from pipeline.values.dates.lengths import length_of

ROLES = ("ingest", "viewer", "operator", "admin")


LOG_FORMATS = ("text", "json")

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]  # a day is no pace any more but a mistake
WholeSeconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Share = Annotated[float, msgspec.Meta(ge=0, le=0.95)]
PerSecond = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]


class BrandSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One brand (tenant): people of different brands are never matched."""

    region: str | None = None
    title: str | None = None
    data_region: str | None = None  # where its people's data has to be; None: where this deployment is
    receiver_url: str | None = None  # of the deployment that serves it, if that is another


class SilenceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a source may be silent, in place of its own rhythm: `90m`, `6h`, `3d` or `2w`."""

    after: str


class SourceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source instance. Where a secret stands, a list of them may, newest first, while one is being rotated.

    `secrets` are those that a connector declares, by the name of their variable, which may differ by brand; and the
    signing secrets of brands that have their own, by brand. `secret` is short for the one that signs, `token` for the
    only one that a poll shows. `allow_from`: addresses and networks that may post. `mapping` is the file of
    `mappings/sources` that its records are read by, without the ending.
    """

    connector: str | None = None
    mapping: str | None = None
    brands: list[str] | None = None
    region: str | None = None
    enabled: bool = True
    lane: str | None = None
    secret: str | list[str] | None = None
    secrets: dict[str, str | list[str] | dict[str, str | list[str]]] = {}
    url: str | None = None
    folder: str | None = None  # of a drop folder, in one of `drop_roots`
    token: str | list[str] | None = None
    every_seconds: Annotated[int, msgspec.Meta(ge=1)] | None = None
    rate_per_second: PerSecond | None = None
    allow_from: list[str] | None = None
    allow_private: bool = False  # it is asked wherever its address leads: into a private network too
    silence: bool | SilenceSettings = True  # False: nobody is told when it falls silent
    subscription: bool | dict[str, Any] = True  # what it is asked with for our subscription; False: it is not asked
    redirect_url: str | None = None  # where `source connect` lets the browser be led, as the app was registered
    options: dict[str, Any] = {}
    double_opt_in: bool | str = False  # ticks are asked for once more: `mail`, `webhook`; true is the latter
    reconcile: dict[str, Any] | bool | None = None  # of one that posts: how it is asked what it has posted; or off

    @property
    def silent_after(self) -> timedelta | None:
        """How long it may be silent, if that is said."""
        return length_of(self.silence.after) if isinstance(self.silence, SilenceSettings) else None


class WindowSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit of an account: at most `calls` in any `seconds`. What is not given is as the kind declares it."""

    calls: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0.1, le=31 * 86_400)] | None = None
    reserve: Share | None = None
    floor: Share | None = None


class DestinationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to write to a CRM account. `secrets` hold references only. `account` names whose quota it uses, if other
    destinations use the same. `look_up`: whoever is new there is looked for by address before a record is made.
    `needs_consent`: a question that people must have granted, for all brands or by brand (consent_settings.py).
    `reads_consent`: by the CRM's object, the fields in which people's opt-outs stand there."""

    kind: str
    base_url: str
    mapping: str | None = None
    brands: list[str] | None = None
    enabled: bool = True
    calls_per_second: PerSecond | None = None
    burst: Count | None = None
    account: str | None = None
    windows: dict[str, WindowSettings] = {}
    batch_size: Count | None = None
    look_up: bool = False
    needs_consent: str | dict[str, str | dict[str, str]] | None = None
    reads_consent: dict[str, WatchedObject] = {}
    reads_consent_seconds: Annotated[int, msgspec.Meta(ge=30, le=86_400)] = 300
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 20.0
    allow_private: bool = False  # as of a source
    data_region: str | None = None  # where its servers are
    transfer_basis: TransferBasis | None = None  # what allows data to go there from another region
    options: dict[str, Any] = {}
    secrets: dict[str, str] = {}

    @property
    def mapping_name(self) -> str:
        """The file of its mapping in `mappings/destinations`, without the ending."""
        return self.mapping or self.kind


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the machinery is paced. Seconds unless said otherwise."""

    batch_size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 500  # leads in one chain at most
    lease_seconds: WholeSeconds = 60  # a claim older than this is taken back
    in_flight_batches: Count = 4  # chains at once per lane: backpressure
    delivery_lease_seconds: WholeSeconds = 60
    delivery_linger_seconds: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = (
        0.5  # bulk deliveries wait this long for a full batch
    )
    delivery_attempts: Count = 12  # transient failures and lost senders before a human looks
    sweep_seconds: Seconds = 2.0
    quarantine_after_losses: Count = 3  # an event that stood alone and lost its worker this often


# Before each further attempt of a message: about three days in all, as the specification of Standard Webhooks has it.
RETRY_SECONDS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)


class WebhookPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How messages go out, and what of a person is in them: ids and what `fields` names, nothing else."""

    enabled: bool = True
    fields: list[str] = []
    consent: str | None = None  # PURPOSE.CHANNEL that a person must have granted when a message about it is sent
    allow_private: bool = False  # http:// and addresses of one's own network
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 15.0
    concurrent: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4  # calls at once to one endpoint
    retry_seconds: list[Annotated[float, msgspec.Meta(gt=0, le=604_800)]] = msgspec.field(
        default_factory=lambda: list(RETRY_SECONDS)
    )
    disable_after_days: Annotated[float, msgspec.Meta(gt=0, le=365)] = 5.0  # of failures without a success
    disable_after_failed: Count = 20  # messages in a row that ran out of attempts
    keep_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30  # ended messages, for `webhook replay`
    data_region: str | None = None  # as of a destination
    transfer_basis: TransferBasis | None = None


class WebhookSettings(WebhookPolicy, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One endpoint that messages go to. `secrets` holds references only: `signing`, two while one is replaced."""

    url: str
    secrets: dict[str, str | list[str]]
    events: list[str]
    brands: list[str] | None = None


class HookSettings(WebhookPolicy, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All endpoints that subscribe by the API (`POST /v1/hooks`)."""

    most: Count = 100  # subscriptions at a time


class SettingsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data_region: str | None = None  # where this deployment keeps its data; None: nobody asks
    brands: dict[str, BrandSettings] = {}
    sources: dict[str, SourceSettings] = {}
    destinations: dict[str, DestinationSettings] = {}
    tuning: Tuning = Tuning()
    receiver: ReceiverSettings = ReceiverSettings()
    outgoing: OutgoingSettings = OutgoingSettings()
    register: RegisterSettings = RegisterSettings()
    webhooks: dict[str, WebhookSettings] = {}
    hooks: HookSettings = HookSettings()
    flower: dict[str, str] = {}
    drop_roots: list[str] = []  # folders that drop folders may lie in
    access: AccessSettings = AccessSettings()
    audit: AuditSettings = AuditSettings()
    privacy: PrivacySettings = PrivacySettings()
    secrets: SecretSettings = SecretSettings()
    retention: list[RetentionRule] = []
    consent: ConsentSettings = ConsentSettings()


class ApiKey(msgspec.Struct, frozen=True):
    """One key of the HTTP API. `digest` is the SHA-256 of the key, which itself is not kept; `is_short`: it can be
    guessed. `brands` are those it may post to and read; empty: all of them. So with `sources`, and with `networks`,
    from which it may be used. `key_id` is empty for one of AFLUENTE_API_KEYS, which never expires.
    """

    name: str
    role: str
    digest: bytes
    brands: tuple[str, ...] = ()
    is_short: bool = False
    permissions: frozenset[str] = frozenset()
    key_id: str = ""
    sources: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    expires_at: datetime | None = None

    def allows(self, brand: str) -> bool:
        return not self.brands or brand in self.brands

    def allows_source(self, source: str) -> bool:
        return not self.sources or source in self.sources

    def may(self, permission: str) -> bool:
        return permission in self.permissions
