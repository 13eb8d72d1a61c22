"""Local administrators, for when the provider is away or not set up yet: made on the server, never over the network.

A generated password and a one-time code (or a recovery code), both needed, each code counted once. Attempts are counted
for each account and network: who guesses keeps nobody else out. Whoever guesses codes with the right password from
everywhere ends the password.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Callable
from hmac import compare_digest
from uuid import UUID

import msgspec
import pyotp
from sqlalchemy import Connection

from pipeline.audit.acting import acting_as
from pipeline.audit.entries import record_action
from pipeline.crypto.encryption import open_one_time_secret, seal_one_time_secret
from pipeline.errors import ForbiddenError, UsageError
from pipeline.login.errors import SignInError
from pipeline.login.roles import local_roles
from pipeline.login.sessions import TOTP, OpenedSession, actor_of, open_for
from pipeline.permissions.granting import require_grant
from pipeline.permissions.principals import ALL_BRANDS, Principal
from pipeline.permissions.roles import permissions_of
from pipeline.settings.sign_in_settings import SignInSettings
from pipeline.store.engine import transaction
from pipeline.store.users import local_admins, sessions, users
from pipeline.store.users.local_admins import LocalAdmin
from pipeline.store.users.users import LOCAL

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are read as another
_PASSWORD_LETTERS = _RECOVERY_LETTERS = 26  # 128 bits: a digest of them needs no slow function
_RECOVERY_CODES = 10
_STEP_SECONDS = 30
_FREE_ATTEMPTS = 5
_FIRST_LOCK_SECONDS = 60
_LONGEST_LOCK_SECONDS = 3_600
_MOST_WRONG_CODES = 20
_MOST_NAMES = 50  # that a network tries in vain and that nobody has: no more of them are counted
_ISSUER = "Afluente"
_WRONG = "name, password or code are wrong; a code counts once"
# Of a network that tried so many names: only names that somebody has are counted and locked there, so that this is said
# of all of them.
_WRONG_OR_LOCKED = (
    f"{_WRONG}. Many names were tried from your network: one that was tried often is locked there for up to an hour"
)


class NewLocalAdmin(msgspec.Struct, frozen=True):
    """Shown once, kept nowhere. `address` is what an authenticator app takes (otpauth://)."""

    name: str
    user_id: UUID
    password: str
    secret: str
    address: str
    recovery_codes: list[str]
    is_new: bool

    def __repr__(self) -> str:
        return f"<NewLocalAdmin {self.user_id}>"


def create_local_admin(name: str, *, by: Principal, is_replaced: bool = False) -> NewLocalAdmin:
    """Make one, or with `is_replaced` give one new secrets and end its sessions.

    Raises UsageError, and ForbiddenError, with an entry that says who tried, where `by` may not give what it may do.
    """
    if not name or len(name) > 64 or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"{name[:64]!r} is no name for it: letters, digits, - and _, at most 64")
    _require_grant(by)
    password, secret = _random(_PASSWORD_LETTERS), pyotp.random_base32()
    codes = [_random(_RECOVERY_LETTERS) for _ in range(_RECOVERY_CODES)]
    with transaction() as connection:
        user = users.lock_user(connection, LOCAL, name, None)
        is_new = local_admins.write_local_admin(
            connection,
            user.user_id,
            password=_digest(password),
            sealed=seal_one_time_secret(secret.encode(), user.user_id),
            recovery_codes=[_digest(code) for code in codes],
        )
        if not is_new and not is_replaced:
            raise UsageError(f"there is a local administrator {name} already: --replace gives new secrets to it")
        users.set_disabled(connection, user.user_id, is_disabled=False)
        sessions.end_sessions_of(connection, user.user_id)
        record_action(
            connection,
            "local_admin.create" if is_new else "local_admin.replace",
            object_kind="user",
            object_id=str(user.user_id),
        )
    address = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=_ISSUER)
    return NewLocalAdmin(name, user.user_id, password, secret, address, codes, is_new)


def _require_grant(by: Principal) -> None:
    """An account that administers has no end and is for all brands and sources."""
    try:
        for brand, roles in local_roles().entitled.items():
            permissions = frozenset(permission for role in roles for permission in permissions_of(role))
            require_grant(by, permissions, brands=() if brand == ALL_BRANDS else (brand,))
    except ForbiddenError:
        with transaction() as connection:
            record_action(connection, "local_admin.create", object_kind="user", outcome="refused")
        raise


def sign_in_locally(
    name: str,
    password: str,
    code: str,
    network: str,
    access: SignInSettings | None,
    *,
    clock: Callable[[], float] = time.time,
) -> OpenedSession:
    """Open a session for a local administrator. Raises SignInError: wrong, or locked for a while.

    A wrong attempt is committed before it is refused. `clock` gives seconds since 1970.
    """
    account = _digest(name)
    opened: OpenedSession | None = None
    with transaction() as connection:
        admin = local_admins.lock_local_admin(connection, name)
        is_crowded = local_admins.count_failed_names(connection, network) >= _MOST_NAMES
        if admin is None and is_crowded:
            raise _wrong(is_crowded=True)
        seconds = local_admins.locked_seconds(connection, account, network)
        if seconds > 0:
            raise _wrong(is_crowded=True) if is_crowded else _locked(seconds)
        used = _check(admin, password, code, clock())
        if admin is not None and used is not None:
            step, codes = used
            local_admins.note_code(connection, admin.user_id, last_step=step, recovery_codes=codes)
            local_admins.forget_failures(connection, account, network)
            opened = _open(connection, admin, network, access)
        else:
            _note_failure(connection, admin, account, network, is_password=_is_password(admin, password))
    if opened is None:
        raise _wrong(is_crowded=is_crowded)
    return opened


def _open(connection: Connection, admin: LocalAdmin, network: str, access: SignInSettings | None) -> OpenedSession:
    user = users.lock_user(connection, LOCAL, admin.name, None)
    users.note_roles(connection, user.user_id, local_roles().entitled, is_signed_in=True)
    with acting_as(actor_of(user.user_id, admin.name, TOTP)):
        return open_for(connection, user, local_roles(), auth=TOTP, network=network, access=access)


def _note_failure(
    connection: Connection, admin: LocalAdmin | None, account: bytes, network: str, *, is_password: bool
) -> None:
    local_admins.note_failure(
        connection,
        account,
        network,
        free=_FREE_ATTEMPTS,
        first_seconds=_FIRST_LOCK_SECONDS,
        most_seconds=_LONGEST_LOCK_SECONDS,
    )
    if admin is not None and is_password:
        local_admins.note_wrong_code(connection, admin.user_id)
    record_action(
        connection,
        "session.open",
        object_kind="user",
        object_id=None if admin is None else admin.user_id,
        outcome="refused",
        reason="wrong_credentials",
    )


def _check(admin: LocalAdmin | None, password: str, code: str, now: float) -> tuple[int, list[bytes]] | None:
    """The step and the recovery codes that are left, if password and code are right; else None."""
    is_password = _is_password(admin, password)
    if admin is None or not is_password or admin.is_disabled or admin.wrong_codes >= _MOST_WRONG_CODES:
        return None
    typed = "".join(code.split()).replace("-", "").lower()
    if typed.isdigit() and len(typed) == 6:
        step = _step_of(admin, typed, now)
        return None if step is None else (step, admin.recovery_codes)
    digest = _digest(typed)
    left = [known for known in admin.recovery_codes if not compare_digest(known, digest)]
    return (admin.last_step, left) if len(left) < len(admin.recovery_codes) else None


def _step_of(admin: LocalAdmin, typed: str, now: float) -> int | None:
    """The step whose code this is: that of now, or the one before or after, if later than the last that was taken."""
    codes = pyotp.TOTP(open_one_time_secret(admin.sealed, admin.user_id).decode())
    current = int(now // _STEP_SECONDS)
    for step in (current - 1, current, current + 1):
        if step > admin.last_step and compare_digest(codes.generate_otp(step), typed):
            return step
    return None


def _is_password(admin: LocalAdmin | None, password: str) -> bool:
    """Compared in the same time whether or not there is such an account."""
    typed = "".join(password.split()).replace("-", "").lower()
    return compare_digest(_digest("") if admin is None else admin.password, _digest(typed)) and admin is not None


def _wrong(*, is_crowded: bool) -> SignInError:
    return SignInError("wrong_credentials", _WRONG_OR_LOCKED if is_crowded else _WRONG)


def _locked(seconds: float) -> SignInError:
    minutes = math.ceil(seconds / 60)
    return SignInError(
        "locked",
        f"too many wrong attempts for this account from your network: try again in {minutes} min."
        " From elsewhere, and for others, nothing is locked",
        status=429,
    )


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
