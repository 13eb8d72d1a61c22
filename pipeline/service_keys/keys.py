"""Service keys by hand. A key is shown when it is made and never again: what is kept is its digest."""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from connectors.kit.registry import sources as connectors
from pipeline.audit.acting import current_actor
from pipeline.audit.entries import record_action
from pipeline.errors import ForbiddenError, NotFoundError, RefusedError, UsageError
from pipeline.permissions.granting import require_grant
from pipeline.permissions.principals import Principal
from pipeline.permissions.roles import KEY_ROLES, SCOPES, permission_of, permissions_of, with_implied
from pipeline.records.actors import Actor
from pipeline.settings.declarations import ApiKey
from pipeline.settings.loading import Settings
from pipeline.settings.networks import fault_of_network
from pipeline.settings.set_up_sources import set_up_sources
from pipeline.store.engine import transaction
from pipeline.store.service_keys import keys as store
from pipeline.store.service_keys.keys import StoredKey
from pipeline.values.nearest import unknown_name

PREFIX = "afl"  # of every key: scanners for secrets that lie about find it
KIND = "key"
_ID_LETTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 8
_RANDOM_BYTES = 32
_LONGEST_NAME = 100


class NewKey(msgspec.Struct, frozen=True):
    """A key that was just made. `key` is shown here and nowhere else."""

    key_id: str
    key: str

    def __repr__(self) -> str:
        return f"<NewKey {self.key_id}>"


def create_key(
    known: Settings,
    name: str,
    *,
    by: Principal,
    role: str | None = None,
    scopes: Sequence[str] = (),
    brands: Sequence[str] = (),
    sources: Sequence[str] = (),
    networks: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key. Empty `brands`, `sources`, `networks`: all; `expires_at` None: it never does.

    Raises UsageError for what a key cannot have, ForbiddenError, with an entry that says who tried, for what is more
    than `by` may give.
    """
    _check_name(name)
    _check_rights(role, scopes)
    _check_names(brands, known.brands, "brand")
    _check_names(sources, set_up_sources(known, connectors()), "source")
    _check_networks(networks)
    _check_end(expires_at, known.access.longest_key_days)
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    key = f"{PREFIX}_{KIND}_{key_id}_{secrets.token_urlsafe(_RANDOM_BYTES)}"
    stored = StoredKey(
        key_id,
        name.strip(),
        digest_of(key),
        role,
        tuple(sorted(set(scopes))),
        tuple(sorted(set(brands))),
        tuple(sorted(set(sources))),
        tuple(networks),
        datetime.now(UTC),
        current_actor().name,
        expires_at,
    )
    _require_grant(by, stored)
    with transaction() as connection:
        store.add_key(connection, stored)
        rights = {
            "role": (None, role),
            "scopes": (None, sorted(scopes) or None),
            "brands": (None, sorted(brands) or None),
        }
        record_action(connection, "key.create", object_kind="key", object_id=key_id, changed=rights)
    return NewKey(key_id, key)


def list_keys() -> list[StoredKey]:
    """Every key that there ever was, oldest first."""
    with transaction(synchronous=False) as connection:
        return store.read_keys(connection)


def revoke_key(key_id: str, why: str | None = None) -> StoredKey:
    """End a key for good. Running receivers know within seconds: docs/access.md says how many.

    Raises NotFoundError, RefusedError for one that is revoked already.
    """
    with transaction() as connection:
        stored = store.read_key(connection, key_id)
        if stored is None:
            raise NotFoundError(f"no key has the id {key_id!r}: `afluente keys list` shows those there are")
        if not store.revoke_key(connection, key_id):
            raise RefusedError(f"the key {key_id} was revoked at {stored.revoked_at:%Y-%m-%d %H:%M} (UTC)")
        record_action(connection, "key.revoke", object_kind="key", object_id=key_id, reason=why)
    return stored


def digest_of(key: str) -> bytes:
    """By which a key is known. Keys are random, so that no slow digest is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def id_in(key: str) -> str | None:
    """The id that stands in a key of ours; None if it is none."""
    prefix, _, rest = key.partition("_")
    kind, _, rest = rest.partition("_")
    key_id, _, random = rest.partition("_")
    return key_id if (prefix, kind) == (PREFIX, KIND) and len(key_id) == _ID_LENGTH and random else None


def api_key_of(stored: StoredKey) -> ApiKey:
    """A stored key as the receiver knows keys."""
    return ApiKey(
        stored.name,
        stored.role or "",
        stored.digest,
        stored.brands,
        permissions=_permissions(stored.role, stored.scopes),
        key_id=stored.key_id,
        sources=stored.sources,
        networks=stored.networks,
        expires_at=stored.expires_at,
    )


def actor_of(key: ApiKey) -> Actor:
    """Who acts with a key. One of AFLUENTE_API_KEYS has no id but its name."""
    return Actor("key", key.key_id or f"AFLUENTE_API_KEYS:{key.name}", key.name, "api_key")


def _check_name(name: str) -> None:
    if not name.strip():
        raise UsageError("needs a text: what uses this key", argument="name")
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"is longer than {_LONGEST_NAME} characters", argument="name")


def _check_rights(role: str | None, scopes: Collection[str]) -> None:
    if role is None and not scopes:
        raise UsageError(f"say what the key may do: a role ({', '.join(KEY_ROLES)}), or scopes such as leads:post")
    if role is not None and role not in KEY_ROLES:
        raise UsageError(unknown_name(role, KEY_ROLES), argument="role")
    for scope in scopes:
        if scope not in SCOPES:
            raise UsageError(unknown_name(scope, SCOPES), argument="scope")


def _check_networks(networks: Collection[str]) -> None:
    for network in networks:
        if fault := fault_of_network(network):
            raise UsageError(fault, argument="network")


def _check_end(expires_at: datetime | None, longest_days: int | None) -> None:
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise UsageError("is in the past: such a key opens nothing", argument="expires")
    if longest_days is None:
        return
    if expires_at is None or expires_at > datetime.now(UTC) + timedelta(days=longest_days, minutes=1):
        raise UsageError(
            f"is needed, within {longest_days} days: access.longest_key_days wants an end of every key",
            argument="expires",
        )


def _require_grant(by: Principal, key: StoredKey) -> None:
    permissions = _permissions(key.role, key.scopes)
    try:
        require_grant(by, permissions, brands=key.brands, sources=key.sources, ends_at=key.expires_at)
    except ForbiddenError:
        with transaction() as connection:
            record_action(connection, "key.create", object_kind="key", outcome="refused")
        raise


def _permissions(role: str | None, scopes: Collection[str]) -> frozenset[str]:
    """What a role and scopes together open."""
    return with_implied(map(permission_of, scopes)) | (permissions_of(role) if role else frozenset())


def _check_names(names: Collection[str], there: Collection[str], argument: str) -> None:
    for name in names:
        if name not in there:
            raise UsageError(unknown_name(name, tuple(sorted(there))), argument=argument)
