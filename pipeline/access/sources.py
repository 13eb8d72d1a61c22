"""What a source of a brand is asked with: its declared way of proof, with the secrets and tokens that are kept here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.kit import Auth, Bearer, Connector, Poll, Secret
from connectors.kit.sources.auth import Access, FixedAccess, Grant, auth_of, plain_of
from connectors.kit.sources.auth.marks import bearer_mark
from connectors.kit.sources.reconciling.declared import reconcile_of
from connectors.kit.tokens import TokenSource
from pipeline.access.tokens import DurableTokens
from pipeline.errors import ConfigurationError
from pipeline.settings.edges.outgoing import reach_of_source
from pipeline.settings.loading import Settings
from pipeline.settings.secrets import Reference

REHEARSAL = FixedAccess([bearer_mark("rehearsal")])  # the sandbox takes any token
_UNDECLARED = Secret("")  # `token` of a source that declares none is sent all the same


@dataclass(frozen=True, slots=True)
class SourceKeys:
    """The kit's `Keys` for a source of a brand, read from the settings and the database at the moment of asking."""

    known: Settings
    brand: str
    slug: str
    connector: str
    auth: Auth
    signs_with: str | None = None  # a secret of both: what the source signs with also proves us

    def secrets_of(self, secret: Secret) -> Sequence[str]:
        """Raises ConfigurationError if a reference of afluente.yaml leads nowhere."""
        if self.auth.secrets == (secret,):
            return self.known.source_tokens(self.slug, secret.name or None, brand=self.brand)
        signs = secret.name == self.signs_with
        return self.known.source_secrets(self.slug, secret.name, signs=signs, brand=self.brand)

    def renew(self) -> bool:
        """Read them again where they are kept, at most once a minute, as the source does not take them; gives whether
        any has changed. May wait seconds for a store; raises nothing."""
        places = [place for secret in self.auth.secrets for place in self._places(secret)]
        changed = [place.renew(self.known.environ) for place in places]
        return any(changed)

    def _places(self, secret: Secret) -> list[Reference]:
        if self.auth.secrets == (secret,):
            return self.known.token_references(self.slug, secret.name or None, brand=self.brand) or []
        signs = secret.name == self.signs_with
        return self.known.source_references(self.slug, secret.name, signs=signs, brand=self.brand) or []

    def tokens_of(self, grant: Grant) -> TokenSource:
        return DurableTokens(
            self.brand,
            self.slug,
            grant,
            connector=self.connector,
            secrets_of=self.secrets_of,
            reach=reach_of_source(self.known, self.slug),
        )

    def missing(self) -> str | None:
        """The variable of a declared secret that nobody set."""
        return next((secret.name for secret in self.auth.secrets if secret.name and not self.secrets_of(secret)), None)

    def require(self) -> None:
        """Raises ConfigurationError if a declared secret is not set, with what to do."""
        if (variable := self.missing()) is not None:
            raise ConfigurationError(f"{self.slug} has no {variable}: {how_to_set(self.slug, variable)}")


def keys_of(known: Settings, slug: str, brand: str, connector: Connector, auth: Auth) -> SourceKeys:
    signature = getattr(connector.intake, "signature", None)
    return SourceKeys(known, brand, slug, connector.source, auth, signature.secret.name if signature else None)


def auth_in_force(known: Settings, slug: str, brand: str, intake: Any) -> Auth | None:
    """What a source of a brand is shown: a plain token where one is set, else what its declaration says. None where
    nothing is asked or shown."""
    declared, plain = auth_of(intake), plain_of(intake)
    if plain is None or plain == declared:
        return declared
    return plain if known.source_tokens(slug, plain.secret.name, brand=brand) else declared


def asking_auth_of(connector: Connector) -> Auth | None:
    """What a source is shown wherever it is asked: for its records, or else for the list of what it has posted."""
    reconcile = reconcile_of(connector)
    return auth_of(connector.intake) or (auth_of(reconcile.poll) if reconcile is not None else None)


def renew_secrets(known: Settings, slug: str, brand: str, connector: Connector) -> bool:
    """What a source is asked with, read again where it is kept, as it did not take that. Gives whether it has changed;
    asks a store once a minute at most, and may wait seconds for it."""
    auth = asking_auth_of(connector)
    return auth is not None and keys_of(known, slug, brand, connector, auth).renew()


def access_of(known: Settings, slug: str, brand: str, connector: Connector, auth: Auth) -> Access:
    """How requests of a source of a brand are marked. Raises ConfigurationError if a secret is not set."""
    keys = keys_of(known, slug, brand, connector, auth)
    keys.require()
    return auth.access(keys)


def poll_access(known: Settings, slug: str, brand: str, connector: Connector, poll: Poll) -> Access | None:
    """The same for its polls; `token` alone may be unset, and is then not sent. None where nothing is shown."""
    auth = auth_in_force(known, slug, brand, poll)
    if auth is not None and poll.auth is not None:
        return access_of(known, slug, brand, connector, auth)
    auth = auth or Bearer(_UNDECLARED)
    keys = keys_of(known, slug, brand, connector, auth)
    if any(keys.secrets_of(secret) for secret in auth.secrets):
        return auth.access(keys)
    return rehearsal_access(known, poll)


def rehearsal_access(known: Settings, poll: Poll) -> Access | None:
    """What a polled source without a token is shown: something where the sandbox plays it, else nothing."""
    is_played = known.uses_sandbox and poll.url.startswith(known.destinations["sandbox"].base_url)
    return REHEARSAL if is_played else None


def credentials_of(known: Settings, slug: str, brand: str, connector: Connector) -> Iterator[str]:
    """What a source is shown that does not speak HTTP: each value of its only secret, the newest first; or its token,
    and a renewed one for whoever asks on. Raises ConfigurationError if nothing is set, and as tokens do."""
    auth = auth_in_force(known, slug, brand, connector.intake)
    if auth is None:
        return
    keys = keys_of(known, slug, brand, connector, auth)
    if (variable := keys.missing()) is not None:
        why = how_to_let_in(slug, variable, connector.intake)
        raise ConfigurationError(f"{slug} has no password or token: {why}")
    if auth.grant is None:
        yield from keys.secrets_of(auth.secrets[0])
        return
    tokens = keys.tokens_of(auth.grant)
    yield tokens.token()
    if tokens.renew():
        yield tokens.token()


def how_to_set(slug: str, variable: str) -> str:
    """What to do about a secret that is not set."""
    return f"set {variable}, or sources.{slug}.secrets.{variable} to env:NAME or file:PATH"


def how_to_let_in(slug: str, variable: str, intake: Any) -> str:
    """The same for what we show a source that may take a plain token instead, or nothing else."""
    plain = plain_of(intake)
    if plain is None:
        return how_to_set(slug, variable)
    token = f"sources.{slug}.token to env:NAME or file:PATH"
    if plain.secret.name == variable:
        return f"set {variable}, or {token}"
    return f"{how_to_set(slug, variable)}; or give it a plain token: set {plain.secret.name}, or {token}"
