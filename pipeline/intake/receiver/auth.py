"""Who asks: the key that a request bears, and whether it may do this from where it comes."""

from __future__ import annotations

from starlette.requests import Request

from pipeline.intake.receiver.answers import RefusedError, refused_later
from pipeline.intake.receiver.guarded_keys import GuardedKeys
from pipeline.permissions.roles import PERMISSIONS, scope_of
from pipeline.settings.declarations import ApiKey
from pipeline.settings.networks import is_within

_CHALLENGE = 'Bearer realm="afluente"'


def authorize(
    request: Request,
    keys: GuardedKeys,
    permission: str,
    *,
    masked: str | None = None,
    is_bounded_by_source: bool = False,
) -> ApiKey:
    """The key that the request bears. `masked`: another permission that is enough, for an answer without values.

    Raises RefusedError: 401 without a known key, 403 with one that may not do this, or not from there, or one of some
    sources where the answer is not held to them (`is_bounded_by_source`: it is)."""
    key = authenticate(request, keys)
    if not key.may(permission) and not (masked is not None and key.may(masked)):
        roles = ", ".join(sorted(PERMISSIONS[permission]))
        what = f"this key's role is {key.role}" if key.role else "this key has other scopes"
        raise RefusedError(403, "wrong_role", f"{what}; needed: the scope {scope_of(permission)}, or a role of {roles}")
    if key.sources and not is_bounded_by_source:
        raise RefusedError(
            403,
            "bound_to_sources",
            f"this key serves the sources {', '.join(key.sources)} alone, and this is about more than what they sent",
        )
    return key


def authenticate(request: Request, keys: GuardedKeys) -> ApiKey:
    """The key that the request bears, whatever it may do. Raises RefusedError: 401 without a known key, 403 with one
    from a network that is none of its own, 429 from an address that tried too many wrong ones."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise RefusedError(
            401,
            "no_key",
            "send the header Authorization: Bearer KEY; `afluente keys create` makes one",
            headers={"WWW-Authenticate": _CHALLENGE},
        )
    known = keys.find_from(request.client.host if request.client else None, key.strip())
    if isinstance(known, float):
        raise refused_later(429, "too_many_wrong_keys", "too many wrong keys came from your address", seconds=known)
    if known is None:
        raise RefusedError(
            401,
            "unknown_key",
            "this API key is not known, has expired or was revoked",
            headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
        )
    if known.networks and not is_within(request.client.host if request.client else None, known.networks):
        raise RefusedError(403, "address", "this key is not taken from your address")
    return known
