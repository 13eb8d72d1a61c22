"""Access tokens for destinations: a fixed one, or those of OAuth 2.0 (RFC 6749): client credentials (4.4) and refresh
tokens (6)."""

from __future__ import annotations

import math
import time
from typing import Any, Protocol

import orjson
import requests

from connectors.kit.errors import TerminalError, TransientError
from connectors.kit.http import Session, check_status, translated

_USED_SHARE_OF_LIFE = 0.8
# The session may say otherwise of its own calls, and a form under another type is refused.
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


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


class FetchedToken:
    """Fetches a token when first needed, when asked to, and when most of the life that it was given (`expires_in`) is
    over. What is refused earlier is renewed once, so a wrong expiry time does no harm."""

    def __init__(self, session: Session, token_url: str, form: dict[str, str]) -> None:
        self._session = session
        self._token_url = token_url
        self._form = form
        self._token: str | None = None
        self._until = math.inf  # monotonic seconds

    def token(self) -> str:
        if self._token is None or time.monotonic() >= self._until:
            self._token = self._fetch()
        return self._token

    def renew(self) -> bool:
        self._token = None
        self.token()
        return True

    def _fetch(self) -> str:
        what = "fetching an access token"
        with translated(what):
            response = self._session.post(self._token_url, data=self._form, headers=_HEADERS)
        if response.status_code == 400:
            raise TerminalError(f"{what}: refused ({_error_code(response)}); check {self._remedy()}")
        check_status(response, what)
        answer = _json(response)
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise TransientError(f"{what}: the answer holds no access_token")
        life = answer.get("expires_in")
        if not isinstance(life, int | float) or isinstance(life, bool) or life <= 0:
            life = math.inf
        self._until = time.monotonic() + _USED_SHARE_OF_LIFE * life
        if isinstance(answer.get("refresh_token"), str) and "refresh_token" in self._form:
            self._form["refresh_token"] = answer["refresh_token"]
        return token

    def _remedy(self) -> str:
        return " and ".join(name for name in ("client_id", "client_secret", "refresh_token") if name in self._form)


class ClientCredentials(FetchedToken):
    """`form` is what a server wants besides, such as `scope`."""

    def __init__(self, session: Session, token_url: str, *, client_id: str, client_secret: str, **form: str) -> None:
        form = {"client_id": client_id, "client_secret": client_secret, **form}
        super().__init__(session, token_url, {"grant_type": "client_credentials", **form})


class RefreshToken(FetchedToken):
    """A token for an app that a human let in once; `form` as above."""

    def __init__(
        self, session: Session, token_url: str, *, client_id: str, client_secret: str, refresh_token: str, **form: str
    ) -> None:
        form = {"client_id": client_id, "client_secret": client_secret, "refresh_token": refresh_token, **form}
        super().__init__(session, token_url, {"grant_type": "refresh_token", **form})


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        answer = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _error_code(response: requests.Response) -> str:
    code = _json(response).get("error")
    return code[:40] if isinstance(code, str) and code.replace("_", "").isalnum() else "no reason given"
