"""What a request is marked with, and what is tried where that is refused.

Nothing here shows a secret, in a repr or in an error. A secret in the address is put there when a request goes out, so
no address of ours holds it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from connectors.kit.sources.declarations import Access, Mark
from connectors.kit.tokens import TokenSource

_MOST_MARKS = 4  # values of a secret that are tried: two are usual, the old one and the new one
_UNAUTHORIZED = 401
Response = TypeVar("Response", bound="_HasStatus")


class _HasStatus(Protocol):
    @property
    def status_code(self) -> int: ...


def send_marked(access: Access | None, send: Callable[[Mark | None], Response]) -> Response:
    """The answer to a request: one that is refused (401) is sent again with each further mark that there is."""
    if access is None:
        return send(None)
    for mark in access.marks():
        response = send(mark)
        if response.status_code != _UNAUTHORIZED:
            break
    return response


class FixedAccess:
    """Marks of values that are set. The one that was taken last is the first to be tried the next time."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self._marks: list[Mark] = list(marks[:_MOST_MARKS])

    def marks(self) -> Iterator[Mark | None]:
        """A single None where nothing is set: the source may let anybody in."""
        if not self._marks:
            yield None
        for mark in list(self._marks):
            self._marks.remove(mark)
            self._marks.insert(0, mark)
            yield mark


class TokenAccess:
    """Marks of tokens that are renewed: a refused one is replaced once a request."""

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens

    def marks(self) -> Iterator[Mark | None]:
        yield bearer_mark(self._tokens.token())
        if self._tokens.renew():
            yield bearer_mark(self._tokens.token())


class HeaderMark:
    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value.encode().decode("latin-1")  # bytes of UTF-8 as HTTP carries them

    def __call__(self, request: Any) -> Any:
        request.headers[self._name] = self._value
        return request


class ParameterMark:
    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def __call__(self, request: Any) -> Any:
        request.url = with_parameters(request.url or "", {self._name: self._value})
        return request


def bearer_mark(token: str) -> Mark:
    return HeaderMark("Authorization", f"Bearer {token}")


def basic_mark(user: str, password: str) -> Mark:
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return HeaderMark("Authorization", f"Basic {credentials}")


def with_parameters(address: str, parameters: Mapping[str, str]) -> str:
    """What stands in the address already stays as it is written, unless it has one of these names."""
    parts = urlsplit(address)
    kept = [pair for pair in parts.query.split("&") if pair and unquote(pair.partition("=")[0]) not in parameters]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(parameters)])))
