"""Access tokens for destinations: a fixed one, or OAuth 2.0 client credentials (RFC 6749, 4.4)."""

from __future__ import annotations

from typing import Any, Protocol

import orjson
import requests

from connectors.kit.errors import TerminalError, TransientError
from connectors.kit.http import Session, check_status, translated


class TokenSource(Protocol):
    """Gives the token to send. `renew` is called when the upstream refused the last one."""

    def token(self) -> str: ...

    def renew(self) -> bool:
        """True if there is a new token to try. Raises TransientError or TerminalError."""
        ...


class FixedToken:
    """A token that a human made. It cannot be renewed."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        return self._token

    def renew(self) -> bool:
        return False


class ClientCredentials:
    """Fetches a token when first needed and again when asked to: expiry times are not trusted, refusals are."""

    def __init__(self, session: Session, token_url: str, *, client_id: str, client_secret: str) -> None:
        self._session = session
        self._token_url = token_url
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._token: str | None = None

    def token(self) -> str:
        if self._token is None:
            self._token = self._fetch()
        return self._token

    def renew(self) -> bool:
        self._token = None
        self.token()
        return True

    def _fetch(self) -> str:
        what = "fetching an access token"
        with translated(what):
            response = self._session.post(self._token_url, data=self._form)
        if response.status_code == 400:
            raise TerminalError(f"{what}: refused ({_error_code(response)}); check client_id and client_secret")
        check_status(response, what)
        token = _json(response).get("access_token")
        if not isinstance(token, str) or not token:
            raise TransientError(f"{what}: the answer holds no access_token")
        return token


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        answer = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _error_code(response: requests.Response) -> str:
    code = _json(response).get("error")
    return code[:40] if isinstance(code, str) and code.replace("_", "").isalnum() else "no reason given"
