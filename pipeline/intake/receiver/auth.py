"""API keys: who may post leads, and who may look at them. Keys are known by digest only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from starlette.requests import Request

from pipeline.intake.receiver.answers import RefusedError
from pipeline.settings.declarations import ApiKey

READ_ROLES = ("viewer", "operator", "admin")
POST_ROLES = ("ingest", "operator", "admin")
_CHALLENGE = 'Bearer realm="afluente"'


def authorize(request: Request, keys: Sequence[ApiKey], roles: Sequence[str]) -> ApiKey:
    """The key that the request bears. Raises RefusedError: 401 without a known key, 403 with one of another role."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise RefusedError(
            401,
            "no_key",
            "send the header Authorization: Bearer KEY; keys are set in AFLUENTE_API_KEYS",
            headers={"WWW-Authenticate": _CHALLENGE},
        )
    digest = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).digest()
    authorized: ApiKey | None = None
    for known in keys:  # all of them, so that the time taken tells nothing
        if hmac.compare_digest(known.digest, digest):
            authorized = known
    if authorized is None:
        raise RefusedError(
            401,
            "unknown_key",
            "this API key is not known",
            headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
        )
    if authorized.role not in roles:
        raise RefusedError(403, "wrong_role", f"this key's role is {authorized.role}; needed: {', '.join(roles)}")
    return authorized
