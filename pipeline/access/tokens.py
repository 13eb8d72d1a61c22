"""Tokens of OAuth 2.0 that sources gave us, shared by all processes and renewed by one of them at a time.

The row is locked while the token server is asked, so whoever comes second finds the new token and asks nobody. What
gets the next token (a refresh token that the source replaces with each use) is committed before the new one is used.
Where that cannot be, it is tried for a while: the source may already have forgotten the one before.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from connectors.kit import Secret
from connectors.kit.reach import Reach
from connectors.kit.sources.auth import Client, Grant
from connectors.kit.token_server import (
    ClientRefusedError,
    Granted,
    GrantRefusedError,
    ask_for_token,
    token_session,
)
from pipeline.crypto.encryption import open_source_token, seal_source_token
from pipeline.errors import AfluenteError, ConfigurationError, QuotaError, TerminalError, TransientError
from pipeline.logs import get_logger
from pipeline.store import source_tokens
from pipeline.store.engine import patiently, transaction
from pipeline.store.source_tokens import REFUSED, StoredToken

_KEEPING_PAUSES_SECONDS = (0.2, 1.0, 3.0, 10.0, 20.0)
_MOST_CLIENTS = 4
_log = get_logger(__name__)
SecretsOf = Callable[[Secret], Sequence[str]]


class NotConnectedError(TerminalError):
    """Somebody has to agree at the source before it lets us in; the text names the command."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """What of a token is sealed."""

    access_token: str
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return "<token>"


class DurableTokens:
    """A TokenSource for a source of a brand. For one thread; all that are made for one source share its token."""

    def __init__(
        self,
        brand: str,
        slug: str,
        grant: Grant,
        *,
        connector: str,
        secrets_of: SecretsOf,
        reach: Reach | None = None,
    ) -> None:
        self._brand = brand
        self._slug = slug
        self._grant = grant
        self._secrets_of = secrets_of
        self._reach = reach
        self._remedy = how_to_connect(slug, brand)
        self._granted_for = digest_of(grant, connector)
        self._token: str | None = None
        self._due_at: float | None = None  # monotonic seconds

    def token(self) -> str:
        """Raises NotConnectedError, TerminalError; QuotaError and TransientError where one may be had later."""
        if self._token is None or (self._due_at is not None and time.monotonic() >= self._due_at):
            self._token = self._found(refused=None)
        return self._token

    def renew(self) -> bool:
        """A token in place of the one that was refused: another process's newer one, or one that is asked for now."""
        refused = self._token
        self._token = None
        self._token = self._found(refused=refused)
        return self._token != refused

    def _found(self, *, refused: str | None) -> str:
        with transaction(synchronous=False) as connection:
            row = source_tokens.read_token(connection, self._brand, self._slug)
        found = self._usable(row, refused=refused)
        return found if found is not None else self._renewed(refused=refused)

    def _usable(self, row: StoredToken | None, *, refused: str | None) -> str | None:
        """The stored token, unless it is due, was refused, or is none of this grant."""
        if row is None or row.state == REFUSED or (row.due_in_seconds is not None and row.due_in_seconds <= 0):
            return None
        kept = self._kept(row)
        return self._taken(row, kept) if kept is not None and kept.access_token != refused else None

    def _taken(self, row: StoredToken, kept: _Kept) -> str:
        self._due_at = None if row.due_in_seconds is None else time.monotonic() + max(row.due_in_seconds, 1.0)
        return kept.access_token

    def _renewed(self, *, refused: str | None) -> str:
        error: AfluenteError | None = None
        granted: Granted | None = None
        try:
            with transaction() as connection:
                row = source_tokens.lock_token(connection, self._brand, self._slug)
                found = self._usable(row, refused=refused)  # of whoever had the lock before
                if found is not None:
                    return found
                try:
                    granted = self._ask(row)
                    self._keep(connection, row, granted)
                except NotConnectedError as fault:
                    error = fault  # why it is not stands there already
                except AfluenteError as fault:
                    error = fault
                    is_final = isinstance(fault, GrantRefusedError)
                    source_tokens.note_refusal(connection, self._brand, self._slug, error=str(fault), is_final=is_final)
        except TransientError:
            if granted is None:
                raise
            self._keep_patiently(row, granted)
        if error is not None:
            return self._still_good(row, error, refused=refused)
        if granted is None:
            raise AssertionError("either a token or an error came")
        _log.info("source_token_renewed", source=self._slug, brand=self._brand)
        return self._found(refused=refused)

    def _ask(self, row: StoredToken) -> Granted:
        kept = self._kept(row)
        form = self._grant.renewal(kept.refresh_token if kept else None)
        if row.state == REFUSED or (form is None and kept is None):
            begin = "its access has ended or was taken back" if row.state == REFUSED else "it is not connected"
            raise NotConnectedError(f"{self._slug}: {begin}; {self._remedy}")
        if form is None:
            raise GrantRefusedError(f"{self._slug}: the access has ended, and the source gave nothing to renew it with")
        what = f"{self._slug}: renewing its access token"
        return exchange(self._grant, form, self._secrets_of, what=what, reach=self._reach)

    def _keep(self, connection: Connection, row: StoredToken, granted: Granted) -> None:
        kept = self._kept(row)
        next_one = granted.refresh_token or (kept.refresh_token if kept else None)
        keep(connection, self._brand, self._slug, granted, self._granted_for, refresh_token=next_one)

    def _keep_patiently(self, row: StoredToken, granted: Granted) -> None:
        """The database went away between the answer and its commit: nobody else may know this token."""

        def work() -> None:
            with transaction() as connection:
                now = source_tokens.lock_token(connection, self._brand, self._slug)
                if now.refreshed_at == row.refreshed_at:  # else somebody was connected or came before
                    self._keep(connection, row, granted)

        patiently(work, pauses=_KEEPING_PAUSES_SECONDS)

    def _still_good(self, row: StoredToken, error: AfluenteError, *, refused: str | None) -> str:
        """A token server that is away is no reason to stop while the token before has some life."""
        kept = self._kept(row)
        is_passing = isinstance(error, TransientError | QuotaError)
        if is_passing and kept is not None and kept.access_token != refused and not row.is_over:
            self._due_at = time.monotonic() + 60.0
            return kept.access_token
        if isinstance(error, GrantRefusedError):
            raise NotConnectedError(f"{error}; {self._remedy}") from None
        if isinstance(error, ClientRefusedError):
            names = [secret.name for secret in (self._grant.client_id, self._grant.client_secret) if secret]
            raise TerminalError(f"{error}: check {' and '.join(names)}") from None
        raise error

    def _kept(self, row: StoredToken) -> _Kept | None:
        """What the row holds for this grant; None if it holds something of another."""
        if row.sealed is None or row.granted_for != self._granted_for:
            return None
        return msgspec.msgpack.decode(open_source_token(row.sealed, self._brand, self._slug), type=_Kept)


def digest_of(grant: Grant, connector: str) -> str:
    """Of whom a token is meant for: a source that was set up as another one does not get it."""
    return hashlib.sha256("\x00".join((connector, *grant.granted_for)).encode()).hexdigest()[:32]


def exchange(
    grant: Grant, form: Mapping[str, str], secrets_of: SecretsOf, *, what: str, reach: Reach | None = None
) -> Granted:
    """What the token server gives, by the newest of the app's secrets that it takes. `reach`: where that may be."""
    with token_session(grant.token_url, reach) as http:
        refusal: ClientRefusedError | None = None
        for client_id, client_secret in _clients(grant, secrets_of):
            client = Client(client_id, client_secret, grant.client_auth)
            try:
                return ask_for_token(http, grant.token_url, form, client, what=what)
            except ClientRefusedError as error:
                refusal = refusal or error
    raise refusal or ConfigurationError(f"{what}: {grant.client_id.name} is not set")


def keep(
    connection: Connection,
    brand: str,
    slug: str,
    granted: Granted,
    granted_for: str,
    *,
    refresh_token: str | None,
    is_connected: bool = False,
) -> None:
    """Seal and store what a token server gave."""
    packed = msgspec.msgpack.encode(_Kept(granted.access_token, refresh_token))
    source_tokens.write_token(
        connection,
        brand,
        slug,
        sealed=seal_source_token(packed, brand, slug),
        granted_for=granted_for,
        life_seconds=granted.life_seconds,
        scopes=granted.scopes,
        is_connected=is_connected,
    )


def connect_command(slug: str, brand: str) -> str:
    """The one command that mends it."""
    return f"`afluente source connect {slug}{'' if brand == 'default' else f' --brand {brand}'}`"


def how_to_connect(slug: str, brand: str) -> str:
    """The same as what somebody is told to do."""
    return f"agree to it at the source by {connect_command(slug, brand)}"


def _clients(grant: Grant, secrets_of: SecretsOf) -> list[tuple[str, str | None]]:
    secrets: Sequence[str | None] = secrets_of(grant.client_secret) if grant.client_secret is not None else [None]
    return list(itertools.product(secrets_of(grant.client_id), secrets))[:_MOST_CLIENTS]
