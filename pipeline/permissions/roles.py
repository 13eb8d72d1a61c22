"""Permissions as `noun.verb`, and the roles that have them. docs/access.md shows the same as a table.

Who administers does not thereby read people: `admin` has neither `people.read` nor any `privacy.` permission but the
second person's word.
"""

from __future__ import annotations

from collections.abc import Iterable

ROLES = ("viewer", "operator", "engineer", "privacy", "admin")
INGEST = "ingest"  # of keys only: it posts, and sees nothing
KEY_ROLES = (INGEST, *ROLES)

_ALL = frozenset(ROLES)
_OPERATOR = frozenset({"operator"})
_ENGINEER = frozenset({"engineer"})
_BOTH = _OPERATOR | _ENGINEER
_PRIVACY = frozenset({"privacy"})
_ADMIN = frozenset({"admin"})

PERMISSIONS: dict[str, frozenset[str]] = {
    # Nothing of a person: counts, states, ids, health, configuration without secrets.
    "installation.read": _ALL,
    "reports.read": _ALL,
    "leads.status": _ALL,
    # Values of a person in clear; each reading is an entry of the audit log. Masked: their shape only.
    "people.read": _OPERATOR | _PRIVACY,
    "people.read_masked": _BOTH | _PRIVACY,
    "leads.post": _OPERATOR | {INGEST},
    "consents.post": _OPERATOR | _PRIVACY | {INGEST},  # as leads say them: they undo no withdrawal
    "leads.replay": _OPERATOR,
    "people.change": _OPERATOR,
    "quarantine.change": _OPERATOR,
    "deliveries.change": _BOTH,
    "webhooks.change": _BOTH,
    "sources.ask": _BOTH,
    "sources.connect": _ENGINEER | _ADMIN,
    "mappings.change": _ENGINEER,
    "destinations.change": _ENGINEER,
    "history.recompute": _BOTH,
    "hooks.subscribe": _OPERATOR,
    "consents.read": _OPERATOR | _PRIVACY,
    "consents.write": _PRIVACY,
    "privacy.read": _PRIVACY,
    "privacy.erase": _PRIVACY,
    "privacy.export": _PRIVACY,
    "privacy.hold": _PRIVACY,
    "privacy.restrict": _PRIVACY,
    "retention.change": _PRIVACY,
    "privacy.approve": _PRIVACY | _ADMIN,  # of a request that somebody else made
    "audit.read": _PRIVACY | _ADMIN,
    "keys.manage": _ADMIN,
    "users.manage": _ADMIN,
    "secrets.manage": _ADMIN,
    "installation.change": _ADMIN,
}

_IMPLIED = {"consents.write": "consents.post"}
# Keys of AFLUENTE_API_KEYS are older than these roles and go on opening what they opened: `operator` and `admin` post,
# see where a lead is, and subscribe. None of that shows a person.
_POSTS_AND_SUBSCRIBES = frozenset({"leads.post", "leads.status", "hooks.subscribe", "consents.post", "consents.write"})
_OF_FIRST_KEYS = {"operator": _POSTS_AND_SUBSCRIBES, "admin": _POSTS_AND_SUBSCRIBES}


def permissions_of(role: str) -> frozenset[str]:
    """What a role may do. Empty for a role that there is not."""
    return frozenset(permission for permission, roles in PERMISSIONS.items() if role in roles)


def permissions_of_first_key(role: str) -> frozenset[str]:
    """What a key of AFLUENTE_API_KEYS with this role may do."""
    return permissions_of(role) | _OF_FIRST_KEYS.get(role, frozenset())


def with_implied(permissions: Iterable[str]) -> frozenset[str]:
    """These, and what goes without saying: who records consents by hand may post what others say of theirs."""
    held = frozenset(permissions)
    return held | {implied for permission, implied in _IMPLIED.items() if permission in held}


def scope_of(permission: str) -> str:
    """As service keys and their owners write it: `leads:post`."""
    return permission.replace(".", ":", 1)


def permission_of(scope: str) -> str:
    """The permission that a scope names, whether or not there is one."""
    return scope.replace(":", ".", 1)


SCOPES = tuple(scope_of(permission) for permission in PERMISSIONS)
