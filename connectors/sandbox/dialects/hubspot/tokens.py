"""HubSpot's tokens: those of OAuth, renewed by a refresh token, and one fixed token of a private app."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from urllib.parse import parse_qs

from connectors.sandbox.dialects.dialect import Reply, Request, json_reply
from connectors.sandbox.dialects.hubspot.errors import error_reply

CLIENT_ID = CLIENT_SECRET = REFRESH_TOKEN = "sandbox"  # noqa: S105 - everyone may know it: there is nothing real behind it
FIXED_TOKEN = "pat-sandbox"  # noqa: S105 - as above
LIFE_SECONDS = 1800


class Tokens:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}  # monotonic seconds

    def issue(self, request: Request, life_seconds: float | None) -> Reply:
        """A new token for a refresh token. `life_seconds` is shorter than the answer says, if a fault wants it so."""
        form = {name: values[-1] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
        if form.get("grant_type") != "refresh_token":
            return _refusal("BAD_GRANT_TYPE", "unsupported_grant_type")
        if form.get("client_id") != CLIENT_ID:
            return _refusal("BAD_CLIENT_ID", "invalid_client")
        if form.get("client_secret") != CLIENT_SECRET:
            return _refusal("BAD_CLIENT_SECRET", "invalid_client")
        if form.get("refresh_token") != REFRESH_TOKEN:
            return _refusal("BAD_REFRESH_TOKEN", "invalid_grant")
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._until[token] = time.monotonic() + (LIFE_SECONDS if life_seconds is None else life_seconds)
        answer = {
            "access_token": token,
            "refresh_token": REFRESH_TOKEN,
            "expires_in": LIFE_SECONDS,
            "token_type": "bearer",
        }
        return json_reply(200, answer, "POST token")

    def refusal_of(self, request: Request) -> Reply | None:
        """The 401 for a request without a token that is valid; None if it may go on."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            until = self._until.get(token)
        if scheme.lower() == "bearer" and (token == FIXED_TOKEN or (until is not None and until > time.monotonic())):
            return None
        if until is not None:
            message = "The OAuth token used to make this call expired"
            return error_reply(401, "EXPIRED_AUTHENTICATION", message, f"{request.method} other")
        message = "Authentication credentials not found"
        return error_reply(401, "INVALID_AUTHENTICATION", message, f"{request.method} other")


def _refusal(status: str, error: str) -> Reply:
    body = {
        "status": status,
        "message": "missing or invalid value",
        "correlationId": str(uuid.uuid4()),
        "error": error,
        "error_description": "missing or invalid value",
    }
    return json_reply(400, body, "POST token")
