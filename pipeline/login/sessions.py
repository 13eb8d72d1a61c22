"""Sessions: opened at a sign-in under a new id, found by it, ended by whoever may.

The browser holds 256 random bits; the row holds their digest. Who reads the database can take nobody's place.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.audit.acting import acting_as
from pipeline.audit.entries import record_action
from pipeline.crypto.encryption import open_session_token, seal_session_token
from pipeline.login.code_flow import Identity
from pipeline.login.errors import SignInError
from pipeline.login.roles import NO_ROLES, GivenRoles, RolesByBrand, give_roles, rules_digest, withheld_of
from pipeline.permissions.principals import Principal, of_roles
from pipeline.records import new_id
from pipeline.records.actors import Actor
from pipeline.settings.sign_in_settings import SignInSettings
from pipeline.store.engine import transaction
from pipeline.store.users import sessions, users
from pipeline.store.users.sessions import SessionRow
from pipeline.store.users.users import LOCAL, User

OIDC, TOTP = "oidc", "totp"


class OpenSession(msgspec.Struct, frozen=True):
    """Somebody who is signed in."""

    session_id: UUID
    user_id: UUID
    name: str
    issuer: str
    auth: str
    roles: RolesByBrand
    withheld: list[str]
    network: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime

    def __repr__(self) -> str:
        return f"<OpenSession {self.session_id}>"

    @property
    def actor(self) -> Actor:
        return actor_of(self.user_id, self.name, self.auth)

    @property
    def principal(self) -> Principal:
        return of_roles(self.actor, self.roles)


class OpenedSession(msgspec.Struct, frozen=True):
    """`secret` is what the browser gets, and nobody keeps."""

    secret: str
    session_id: UUID

    def __repr__(self) -> str:
        return f"<OpenedSession {self.session_id}>"


def actor_of(user_id: UUID, name: str | None, auth: str) -> Actor:
    return Actor(kind="user", id=str(user_id), name=name or str(user_id), auth=auth)


def sign_in(identity: Identity, access: SignInSettings, network: str) -> OpenedSession:
    """Open a session for whom the provider sent. Raises SignInError: disabled, no groups told, none with a role.

    Sessions of the same user with other roles end: what somebody may is what their groups say now.
    """
    refusal: SignInError | None = None
    opened: OpenedSession | None = None
    with transaction() as connection:
        user = users.lock_user(connection, identity.issuer, identity.subject, identity.name)
        with acting_as(actor_of(user.user_id, user.name, OIDC)):
            given, refusal = _judge(identity, access, user)
            if identity.groups is not None:
                _apply_roles(connection, user, given, rules_digest(access), is_signed_in=refusal is None)
            if refusal is None:
                opened = open_for(
                    connection,
                    user,
                    given,
                    auth=OIDC,
                    sid=identity.sid,
                    id_token=identity.id_token,
                    network=network,
                    access=access,
                )
            else:
                note_refusal(connection, user.user_id, refusal)
    if opened is None:
        raise refusal or SignInError("refused", "this sign-in is refused")
    return opened


def _judge(identity: Identity, access: SignInSettings, user: User) -> tuple[GivenRoles, SignInError | None]:
    if user.disabled_at is not None:
        return NO_ROLES, SignInError(
            "user_disabled", "this account is switched off here: an administrator can tell why"
        )
    if identity.groups is None:
        return NO_ROLES, SignInError(
            "groups_not_told",
            f"the provider says nothing of groups: it has to send the claim {access.groups_claim} to this application"
            " (access.sign_in.groups_claim, and often a scope in access.sign_in.scopes). Nobody's roles were changed",
        )
    given = give_roles(access, identity.groups, acr=identity.acr, amr=identity.amr)
    if given.by_brand:
        return given, None
    if given.withheld:
        return given, SignInError(
            "stronger_needed",
            f"your role ({', '.join(given.withheld)}) needs a stronger sign-in than this one"
            " (access.sign_in.require): sign in with a second factor",
        )
    return given, SignInError("no_role", "none of your groups has a role here: an administrator can tell which do")


def _apply_roles(connection: Connection, user: User, given: GivenRoles, rules: bytes, *, is_signed_in: bool) -> None:
    """What the groups say now, at every sign-in. Sessions to which they gave something else end."""
    ended = sessions.end_sessions_entitled_otherwise(connection, user.user_id, given.entitled, rules)
    users.note_roles(connection, user.user_id, given.entitled, is_signed_in=is_signed_in)
    if ended:
        record_action(
            connection,
            "session.end",
            object_kind="user",
            object_id=user.user_id,
            reason="roles changed at the provider",
        )


def open_for(
    connection: Connection,
    user: User,
    given: GivenRoles,
    *,
    auth: str,
    network: str,
    access: SignInSettings | None,
    sid: str | None = None,
    id_token: str | None = None,
) -> OpenedSession:
    """A session under an id that nobody has seen before, with its entry in the audit log."""
    secret = secrets.token_urlsafe(32)
    session_id = new_id()
    sessions.open_session(
        connection,
        session_id,
        digest_of(secret),
        user.user_id,
        sid=sid,
        auth=auth,
        roles=given.by_brand,
        entitled=given.entitled,
        rules=rules_digest(access),
        sealed=None if id_token is None else seal_session_token(id_token.encode(), session_id),
        network=network,
        hours=(access or SignInSettings()).session_hours,
    )
    record_action(connection, "session.open", object_kind="session", object_id=str(session_id))
    return OpenedSession(secret, session_id)


def note_refusal(connection: Connection, user_id: UUID, refusal: SignInError) -> None:
    record_action(
        connection,
        "session.open",
        object_kind="user",
        object_id=str(user_id),
        outcome="refused",
        reason=refusal.code,
    )


def find_session(secret: str | None, access: SignInSettings | None) -> OpenSession | None:
    """Who holds this; None if it is over, or was opened by other rules than those of now. Raises TransientError."""
    if not secret or len(secret) > 100:
        return None
    digest = digest_of(secret)
    with transaction() as connection:
        row = sessions.find_session(connection, digest, idle_minutes=_idle_minutes(access))
        if row is not None and row.rules != rules_digest(access):
            sessions.end_session(connection, digest)
            row = None
    return None if row is None else _opened(row)


def list_sessions(user_id: UUID | None, access: SignInSettings | None) -> list[OpenSession]:
    """A user's open sessions, or everybody's, newest first."""
    with transaction() as connection:
        rows = sessions.sessions_of(connection, user_id, idle_minutes=_idle_minutes(access))
    return [_opened(row) for row in rows]


def sign_out(secret: str, session: OpenSession) -> str | None:
    """End the session. The ID token, by which the provider knows whose session is to end there too; None for none."""
    digest = digest_of(secret)
    with transaction() as connection, acting_as(session.actor):
        row = sessions.find_session(connection, digest, idle_minutes=24 * 60)
        if sessions.end_session(connection, digest):
            record_action(connection, "session.end", object_kind="session", object_id=str(session.session_id))
    if row is None or row.sealed is None:
        return None
    return open_session_token(row.sealed, row.session_id).decode()


def end_own_session(session: OpenSession, session_id: UUID) -> bool:
    """End another session of the same user, or this one. False if it is none of theirs."""
    with transaction() as connection, acting_as(session.actor):
        is_ended = sessions.end_own_session(connection, session.user_id, session_id)
        if is_ended:
            record_action(connection, "session.end", object_kind="session", object_id=str(session_id))
    return is_ended


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _idle_minutes(access: SignInSettings | None) -> int:
    return (access or SignInSettings()).idle_minutes


def _opened(row: SessionRow) -> OpenSession:
    return OpenSession(
        session_id=row.session_id,
        user_id=row.user_id,
        name=row.name or (row.subject if row.issuer == LOCAL else str(row.user_id)),
        issuer=row.issuer,
        auth=row.auth,
        roles=row.roles,
        withheld=withheld_of(row.roles, row.entitled),
        network=row.network,
        created_at=row.created_at,
        seen_at=row.seen_at,
        ends_at=row.ends_at,
    )
