"""Back-channel logout: the provider says that somebody is out there, so they are out here too."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from pipeline.audit.acting import acting_as
from pipeline.audit.entries import record_action
from pipeline.login.errors import SignInError
from pipeline.login.provider import Provider
from pipeline.login.tokens import check_logout_token, header_of
from pipeline.records.actors import Actor
from pipeline.store.engine import transaction
from pipeline.store.users import sessions

_KEEP_SECONDS = 3_600  # longer than a logout token may be old
_TYPES = ("logout+jwt", "application/logout+jwt", "jwt")  # providers of before the last draft say JWT


def end_by_provider(token: str, provider: Provider, *, clock: Callable[[], float] = time.time) -> int:
    """How many sessions ended; 0 where all were over before, which is no fault. `clock` gives seconds since 1970.

    Raises SignInError for a token that does not count or came before, ProviderAwayError if its key cannot be had.
    """
    kind = header_of(token).get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise SignInError("wrong_type", "this is no logout token", status=400)
    claims = provider.open(token)
    check_logout_token(claims, issuer=provider.issuer, client_id=provider.client_id, now=clock())
    digest = hashlib.sha256(f"{provider.issuer}\n{claims['jti']}".encode()).digest()
    with transaction() as connection, acting_as(Actor(kind="system", id="provider", name="provider", auth="oidc")):
        if not sessions.note_logout_token(connection, digest, keep_seconds=_KEEP_SECONDS):
            raise SignInError("replayed", "this logout token came before", status=400)
        ended = sessions.end_sessions_at_provider(
            connection, provider.issuer, subject=claims.get("sub"), sid=claims.get("sid")
        )
        for user_id in sorted(set(ended)):
            record_action(
                connection,
                "session.end",
                object_kind="user",
                object_id=str(user_id),
                reason="signed out at the provider",
            )
    return len(ended)
