"""The reader of the environment and of afluente.yaml, whose keys declarations.py has (docs/settings.md lists all).

Only where the company's folder lies is asked elsewhere too: connectors/kit/folders.py.

Everything else gets a `Settings` value. Secrets are references (`env:NAME`, `file:PATH`) until the moment of use.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec

from connectors.kit.folders import company_folder
from pipeline.errors import ConfigurationError
from pipeline.settings.access_settings import AccessSettings, AuditSettings
from pipeline.settings.api_keys import find_sending_key, read_api_keys
from pipeline.settings.config_file import read_config
from pipeline.settings.consent_settings import ConsentSettings
from pipeline.settings.declarations import (
    LOG_FORMATS,
    ApiKey,
    BrandSettings,
    DestinationSettings,
    HookSettings,
    SourceSettings,
    Tuning,
    WebhookSettings,
)
from pipeline.settings.edges.declared import OutgoingSettings, ReceiverSettings
from pipeline.settings.edges.register import RegisterSettings
from pipeline.settings.edges.residency import localized
from pipeline.settings.installation import embedded_broker_url, embedded_database_url, read_credentials, read_runtime
from pipeline.settings.privacy_settings import PrivacySettings
from pipeline.settings.retention_settings import RetentionRule
from pipeline.settings.secret_settings import SecretSettings
from pipeline.settings.secrets import (
    Environment,
    Reference,
    file_variable,
    is_reference,
    reference,
    references,
    values_of,
)


class Settings(msgspec.Struct, frozen=True):
    """All that can be set, checked and with defaults filled in. Secrets are looked up in `environ` when asked for."""

    environ: Environment
    data: Path
    home: Path | None  # the company's folder
    config_path: Path
    database_url: str
    broker_url: str
    is_embedded_database: bool
    is_embedded_broker: bool
    log_format: str
    brands: dict[str, BrandSettings]
    sources: dict[str, SourceSettings]
    destinations: dict[str, DestinationSettings]
    tuning: Tuning
    receiver: ReceiverSettings
    api_keys: tuple[ApiKey, ...]
    flower_auth: Reference | None
    uses_sandbox: bool
    is_sandbox_told: bool  # its address is that of one that runs, not just the usual one
    webhooks: dict[str, WebhookSettings] = {}
    hooks: HookSettings = HookSettings()
    outgoing: OutgoingSettings = OutgoingSettings()
    register: RegisterSettings = RegisterSettings()
    data_region: str | None = None
    brands_elsewhere: dict[str, BrandSettings] = {}  # served by deployments of other regions
    drop_roots: tuple[Path, ...] = ()  # folders that drop folders may lie in; a relative one begins in the first
    access: AccessSettings = AccessSettings()
    audit: AuditSettings = AuditSettings()
    privacy: PrivacySettings = PrivacySettings()
    secrets: SecretSettings = SecretSettings()
    retention: tuple[RetentionRule, ...] = ()
    consent: ConsentSettings = ConsentSettings()

    @property
    def records(self) -> Path:
        """The folder of what must outlive the data folder and any restore of the database: the ledger, the heads of the
        audit log, certificates. One for all processes of all hosts."""
        named = self.environ.get("AFLUENTE_RECORDS")
        return Path(named).resolve() if named else self.data

    @property
    def audit_anchor(self) -> Path:
        """The file that the heads of the audit log are written into."""
        return self.audit.path(self.records)

    def source(self, slug: str) -> SourceSettings:
        """Settings of a source; defaults if afluente.yaml does not mention it."""
        return self.sources.get(slug, SourceSettings())

    def region_for(self, source: str, brand: str) -> str | None:
        """Default market (ISO alpha-2) of leads that do not name one: the source's, else the brand's."""
        of_brand = self.brands.get(brand)
        return self.source(source).region or (of_brand.region if of_brand else None)

    @property
    def trusted_proxies(self) -> list[str]:
        """Addresses and networks whose word of who is behind them counts; `*`: everybody's."""
        if self.receiver.trusted_proxies is not None:
            return self.receiver.trusted_proxies
        return _parts_of(self.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1"))

    def destinations_for(self, brand: str) -> list[str]:
        """Names of the enabled destinations a brand's people are meant for, in a stable order."""
        return sorted(
            name
            for name, destination in self.destinations.items()
            if destination.enabled and (destination.brands is None or brand in destination.brands)
        )

    def source_secrets(self, slug: str, variable: str, *, signs: bool = True, brand: str | None = None) -> list[str]:
        """Current secrets of a source, newest first: afluente.yaml's reference (the brand's own before the source's),
        else the declared environment variable, else (embedded) the one made in the data folder. Empty if there is none.

        `signs` False: a secret beside the signature's, which `secret` and the one made do not stand for.
        """
        if (named := self.source_references(slug, variable, signs=signs, brand=brand)) is not None:
            return values_of(named, self.environ)
        if text := self.environ.get(variable):
            return _parts_of(text)
        if not signs:
            return []
        generated = read_credentials(self.data).get("sources", {}).get(slug)
        return [generated] if generated else []

    def source_references(
        self, slug: str, variable: str, *, signs: bool = True, brand: str | None = None
    ) -> list[Reference] | None:
        """Where afluente.yaml says that a secret of a source is kept, newest first; None if it does not say."""
        entry = self.source(slug)
        if (named := self._named_references(slug, variable, brand)) is not None:
            return named
        if signs and isinstance(own := entry.secrets.get(brand or ""), str | list):
            return references(own, f"sources.{slug}.secrets.{brand}")
        if signs and entry.secret is not None:
            return references(entry.secret, f"sources.{slug}.secret")
        return None

    def _named_references(self, slug: str, variable: str, brand: str | None) -> list[Reference] | None:
        """What `secrets` says of a declared secret, for this brand; None if nothing."""
        configured, place = self.source(slug).secrets.get(variable), f"sources.{slug}.secrets.{variable}"
        if isinstance(configured, dict):
            configured, place = configured.get(brand or ""), f"{place}.{brand}"
        return None if configured is None else references(configured, place)

    def webhook_url(self, name: str) -> str:
        """The address of an endpoint, which may be a reference: some addresses are a secret themselves. Raises
        ConfigurationError."""
        url = self.webhooks[name].url
        return reference(url, f"webhooks.{name}.url").resolve(self.environ) if is_reference(url) else url

    def webhook_secrets(self, name: str) -> list[str]:
        """Signing secrets of an endpoint, all of which sign. Raises ConfigurationError if one cannot be had."""
        given = references(self.webhooks[name].secrets["signing"], f"webhooks.{name}.secrets.signing")
        return [place.resolve(self.environ) for place in given]

    def mail_password(self) -> str:
        """Of the mail server's user. Raises ConfigurationError if it cannot be had."""
        mail = self.consent.mail
        if mail is None or mail.password is None:
            return ""
        return references(mail.password, "consent.mail.password")[0].resolve(self.environ)

    def source_tokens(self, slug: str, variable: str | None, *, brand: str | None = None) -> list[str]:
        """Current values, newest first, of the only secret that we show to a source, or of one that it does not
        declare (`variable` None): `secrets` by its name, else `token`, else the declared environment variable.
        """
        if (named := self.token_references(slug, variable, brand=brand)) is not None:
            return values_of(named, self.environ)
        return _parts_of(self.environ.get(variable, "")) if variable else []

    def token_references(self, slug: str, variable: str | None, *, brand: str | None = None) -> list[Reference] | None:
        """Where afluente.yaml says that it is kept, newest first; None if it does not say."""
        if variable is not None and (named := self._named_references(slug, variable, brand)) is not None:
            return named
        configured = self.source(slug).token
        return None if configured is None else references(configured, f"sources.{slug}.token")

    def terminal_token(self) -> str | None:
        """The key that commands are typed with; None: by the account of this machine."""
        return self.environ.get("AFLUENTE_TOKEN") or None

    def sending_key(self) -> str | None:
        """A key of the HTTP API that may post leads, as `afluente source send` needs it; None if none is known."""
        return find_sending_key(_api_keys(self.environ, self.data), brands=self.brands)

    def secret_keys(self, *, anew: bool = False) -> list[str]:
        """Keys for personal data at rest, as they are now; the first encrypts. ConfigurationError if there is none.

        `anew`: where their store is asked now and then, ask it now.
        """
        text = self.environ.get("AFLUENTE_SECRET_KEYS") or file_variable("AFLUENTE_SECRET_KEYS_FILE", self.environ)
        keys = [key for part in _parts_of(text or "") for key in self._keys_of(part, anew=anew)]
        keys = keys or list(read_credentials(self.data).get("secret_keys", []))
        if not keys:
            raise ConfigurationError(
                "no key for personal data: set AFLUENTE_SECRET_KEYS (make one with `openssl rand -base64 32`)"
                " or start once with `afluente up`, which makes one in the data folder"
            )
        return keys

    def _keys_of(self, part: str, *, anew: bool) -> list[str]:
        """A key itself, or those that are where it refers to."""
        if not is_reference(part):
            return [part]
        place = reference(part, "AFLUENTE_SECRET_KEYS")
        if anew:
            place.renew(self.environ)
        return _parts_of(place.resolve(self.environ))


def load_settings(environ: Mapping[str, str] | None = None, *, data: Path | None = None) -> Settings:
    """Read and check everything. Raises ConfigurationError with file, path, what is wrong and what is allowed."""
    env = Environment(os.environ if environ is None else environ)
    folder = data_folder(data or env.get("AFLUENTE_DATA"))
    home = company_folder(env)
    if home is not None and not home.is_dir():
        raise ConfigurationError(f"AFLUENTE_HOME names {home}, which is no folder: `afluente init {home}` makes it")
    config_path = Path(env.get("AFLUENTE_CONFIG") or Path(env.get("AFLUENTE_HOME") or "", "afluente.yaml"))
    told = read_config(config_path, is_named=bool(env.get("AFLUENTE_CONFIG")))
    parsed, elsewhere = localized(told)
    database_url = env.get("AFLUENTE_DATABASE_URL") or file_variable("AFLUENTE_DATABASE_URL_FILE", env)
    broker_url = env.get("AFLUENTE_BROKER_URL") or file_variable("AFLUENTE_BROKER_URL_FILE", env)
    destinations = dict(parsed.destinations)
    uses_sandbox = not destinations
    address = None
    if uses_sandbox:
        address = env.get("AFLUENTE_SANDBOX_URL") or read_runtime(folder).get("addresses", {}).get("sandbox")
        destinations["sandbox"] = DestinationSettings(
            kind="salesforce",
            base_url=address or "http://127.0.0.1:8081",
            mapping="salesforce",
            calls_per_second=200.0,  # ours, so no quota to spare; rehearse one with POST /_faults
            burst=200,
        )
    log_format = env.get("AFLUENTE_LOG") or "text"
    if log_format not in LOG_FORMATS:
        raise ConfigurationError(f"AFLUENTE_LOG is {log_format!r}; allowed: {', '.join(LOG_FORMATS)}")
    return Settings(
        environ=env,
        data=folder,
        home=home,
        config_path=config_path,
        database_url=_dialect(database_url) if database_url else embedded_database_url(folder),
        broker_url=broker_url or embedded_broker_url(folder),
        is_embedded_database=not database_url,
        is_embedded_broker=not broker_url,
        log_format=log_format,
        brands=parsed.brands or {"default": BrandSettings()},
        sources=parsed.sources,
        destinations=destinations,
        tuning=parsed.tuning,
        receiver=parsed.receiver,
        api_keys=read_api_keys(_api_keys(env, folder), brands=set(told.brands) or {"default"}),
        flower_auth=reference(parsed.flower["auth"], "flower.auth") if "auth" in parsed.flower else None,
        uses_sandbox=uses_sandbox,
        is_sandbox_told=bool(address),
        webhooks=parsed.webhooks,
        hooks=parsed.hooks,
        outgoing=parsed.outgoing,
        register=parsed.register,
        data_region=parsed.data_region,
        brands_elsewhere=elsewhere,
        drop_roots=tuple(Path(root).absolute() for root in parsed.drop_roots) or (folder / "drops",),
        access=parsed.access,
        audit=parsed.audit,
        privacy=parsed.privacy,
        secrets=parsed.secrets,
        retention=tuple(parsed.retention),
        consent=parsed.consent,
    )


def data_folder(named: Path | str | None) -> Path:
    """The folder of an installation that is named so, or not at all."""
    return Path(named or ".afluente").resolve()


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    settings_read_at()
    return load_settings()


@cache
def settings_read_at() -> datetime:
    """When this process read them: what was done with other settings was done before."""
    return datetime.now(UTC)


def _api_keys(env: Mapping[str, str], data: Path) -> str:
    """The keys that are set, else the one that `afluente up` made."""
    text = env.get("AFLUENTE_API_KEYS") or file_variable("AFLUENTE_API_KEYS_FILE", env)
    generated = None if text else read_credentials(data).get("api_key")
    return text or (f"embedded:admin:{generated}" if generated else "")


def _parts_of(text: str) -> list[str]:
    """The secrets that a variable holds, comma-separated."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _dialect(url: str) -> str:
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg2://" + url.removeprefix(prefix)
    if not url.startswith("postgresql+psycopg2://"):
        raise ConfigurationError(
            "AFLUENTE_DATABASE_URL must begin with postgresql:// (PostgreSQL is the only database)"
        )
    return url


def named_socket(environ: Mapping[str, str]) -> str | None:
    """Where commands are to be handed over to be run, for whoever has no settings of an installation."""
    return environ.get("AFLUENTE_SOCKET") or None
