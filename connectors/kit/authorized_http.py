"""Calls of an account that is let in by an access token."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import requests

from connectors.kit.errors import TerminalError
from connectors.kit.http import Session, translated
from connectors.kit.oauth import TokenSource
from connectors.kit.sources.auth.marks import TokenAccess, send_marked
from connectors.kit.sources.declarations import Mark


class AuthorizedCalls:
    """Requests with a bearer token. One that is refused for it (401) is made again, once, with a new one.

    `name` is the destination's, for messages. `before_call` is the connection's: each request waits for its grant. A
    token is asked for without one: no CRM counts that. `note` sees every answer, that of a refused call too: the usage
    of a quota stands in each. `locate` makes the address to call of the one that is asked for, once there is a token:
    some accounts are told with it where they live.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        tokens: TokenSource,
        *,
        before_call: Callable[[int], None] = lambda _cost: None,
        note: Callable[[requests.Response], None] = lambda _response: None,
        locate: Callable[[str], str] = lambda url: url,
    ) -> None:
        self._name = name
        self._session = session
        self._access = TokenAccess(tokens)
        self._before_call = before_call
        self._note = note
        self._locate = locate

    def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """The answer, whatever its status but 401. Raises TerminalError where the new token is refused too, or none can
        be had; and what the token server and the network come to."""

        def send(mark: Mark | None) -> requests.Response:
            self._before_call(1)
            with translated(self._name):
                response = self._session.request(method, self._locate(url), data=body, headers=headers, auth=mark)
            self._note(response)
            return response

        response = send_marked(self._access, send)
        if response.status_code == 401:
            raise TerminalError(f"{self._name}: the access token is refused; check the destination's secrets")
        return response
