"""A source is connected: an address to open, the code that it leads to, and a token that is kept sealed."""

from __future__ import annotations

import secrets

import msgspec

from connectors.kit.sources.auth import OAuthCode
from connectors.kit.token_server import GrantRefusedError
from pipeline.access.sources import SourceKeys, asking_auth_of, keys_of
from pipeline.access.states import AccessState, access_state, access_states
from pipeline.access.tokens import digest_of, exchange, keep
from pipeline.audit.entries import record_action
from pipeline.errors import ConfigurationError, RefusedError, UsageError
from pipeline.inspection.names import check_source, find_instance
from pipeline.intake.instances import SourceInstance
from pipeline.settings.edges.outgoing import reach_of_source
from pipeline.settings.loading import settings
from pipeline.settings.set_up_sources import set_up_sources
from pipeline.store import source_tokens
from pipeline.store.engine import patiently, transaction
from pipeline.store.events import cursors
from pipeline.store.fetches import pauses

REDIRECT_URL = "http://localhost:8400/callback"
_STATE_BYTES = 24
_VERIFIER_BYTES = 48  # 64 characters; RFC 7636 wants 43 to 128
_KEEPING_PAUSES_SECONDS = (0.2, 1.0, 3.0, 10.0)


class Connecting(msgspec.Struct, frozen=True):
    """One attempt. `address` is to be opened by whoever may agree for the account. `state`, which stands in it, and
    `verifier`, which nobody else may see, show that an answer belongs to this attempt."""

    source: str
    brand: str
    address: str
    redirect_url: str
    state: str
    verifier: str

    def __repr__(self) -> str:
        return f"<Connecting {self.source} of {self.brand}>"


class Connected(msgspec.Struct, frozen=True):
    """`is_renewed` False: the source gave nothing to renew the token with, so it ends at `expires_at`."""

    access: AccessState
    is_renewed: bool


def begin_connecting(slug: str, brand: str | None = None) -> Connecting:
    """Raises UsageError for a source that nobody has to agree for, or whose app is not set up here."""
    instance = find_instance(slug, brand)
    auth, keys = _auth_of(instance)
    try:
        keys.require()
        client_id = keys.secrets_of(auth.client_id)[0]
    except ConfigurationError as error:
        raise UsageError(str(error)) from error
    state, verifier = secrets.token_urlsafe(_STATE_BYTES), secrets.token_urlsafe(_VERIFIER_BYTES)
    redirect_url = settings().source(slug).redirect_url or REDIRECT_URL
    address = auth.address(client_id, redirect=redirect_url, state=state, verifier=verifier)
    return Connecting(slug, instance.brand, address, redirect_url, state, verifier)


def finish_connecting(connecting: Connecting, given: str) -> Connected:
    """`given`: the address that the browser was led to, or the code in it. What waits at the source goes on at once.

    Raises RefusedError where that is of no use, with what to do; TerminalError, QuotaError and TransientError as the
    token server answers.
    """
    instance = find_instance(connecting.source, connecting.brand)
    auth, keys = _auth_of(instance)
    try:
        code = auth.code_in(given, state=connecting.state)
    except ConfigurationError as error:
        raise RefusedError(str(error)) from error
    form = auth.exchange(code, redirect=connecting.redirect_url, verifier=connecting.verifier)
    try:
        reach = reach_of_source(settings(), connecting.source)
        granted = exchange(auth, form, keys.secrets_of, what=f"{connecting.source}: connecting", reach=reach)
    except GrantRefusedError as error:
        raise RefusedError(
            "the source does not know this code any more (it counts once, and for a minute or so): begin again"
        ) from error
    granted_for = digest_of(auth, instance.connector.source)

    def store() -> None:
        with transaction() as connection:
            source_tokens.lock_token(connection, instance.brand, instance.slug)  # a renewal must not come last
            keep(
                connection,
                instance.brand,
                instance.slug,
                granted,
                granted_for,
                refresh_token=granted.refresh_token,  # never one of before: it may be another account's
                is_connected=True,
            )
            cursors.wake_source(connection, instance.brand, instance.slug)
            pauses.end_pause(connection, instance.slug, instance.brand)

    patiently(store, pauses=_KEEPING_PAUSES_SECONDS)  # the code counts once
    return Connected(_state_of(instance, auth), is_renewed=granted.refresh_token is not None)


def disconnect(slug: str, brand: str | None = None) -> bool:
    """Forget what the source gave; True if there was something. It still counts there until it is taken back there.

    Raises UsageError for a source that nobody has to agree for.
    """
    instance = find_instance(slug, brand)
    _auth_of(instance)
    with transaction() as connection:
        was_there = source_tokens.forget_token(connection, instance.brand, instance.slug)
        record_action(
            connection, "source.disconnect", brand=instance.brand, object_kind="source", object_id=instance.slug
        )
    return was_there


def read_connections(slug: str | None = None) -> list[AccessState]:
    """How it stands with each source that is let in by tokens, or with one. Raises UsageError."""
    if slug is not None:
        check_source(slug)
    with transaction(synchronous=False) as connection:
        tokens = source_tokens.read_tokens(connection)
    return [
        state for state in access_states(settings(), set_up_sources(settings()), tokens) if slug in (None, state.source)
    ]


def _auth_of(instance: SourceInstance) -> tuple[OAuthCode, SourceKeys]:
    auth = asking_auth_of(instance.connector)
    if not isinstance(auth, OAuthCode):
        raise UsageError(
            f"nobody has to agree for {instance.slug}: it is let in by secrets of afluente.yaml alone;"
            " `afluente doctor` says whether they are set"
        )
    return auth, keys_of(settings(), instance.slug, instance.brand, instance.connector, auth)


def _state_of(instance: SourceInstance, auth: OAuthCode) -> AccessState:
    with transaction(synchronous=False) as connection:
        token = source_tokens.read_token(connection, instance.brand, instance.slug)
    return access_state(instance.slug, instance.brand, instance.connector, auth, token)
