"""One request of a poll: method, address, parameters and body, with the values that this call asks for in their places.

A value goes where its name stands as `{name}` in the declared parameters or body; what stands nowhere is a parameter of
the address. `{name:number}` sends it as a number. Where there is no value yet, as of a cursor at the first poll, the
entry is left out. True as a parameter is written `true`. GraphQL's `query` is full of braces and sent as it is; its
`variables` are filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from connectors.kit.errors import TerminalError
from connectors.kit.sources.declarations import Poll
from connectors.kit.sources.paging.declared import params_of

Value = str | int
Values = Mapping[str, Value]

_PLACE = re.compile(r"\{([A-Za-z_]\w{0,63})(:number)?\}")
_PLAIN_VALUE = re.compile(r"[\w .,:+\-/=@|~]{1,500}")  # what may stand inside a text of the source's own query language
_NUMBER = re.compile(r"-?\d{1,18}")
# A link that repeats our credential is kept without it: where reading goes on is stored in clear. A parameter of one of
# these names is one wherever it comes from; one of the words in a name is enough where it stands in the set address.
_CREDENTIALS = frozenset(
    {"access_token", "accesstoken", "api_key", "apikey", "api-key", "auth_token", "client_secret", "password", "secret"}
)
_CREDENTIAL_WORDS = ("key", "token", "secret", "sig", "auth", "pass", "hash")
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Ask:
    """What is sent. `body` None: none. The repr shows no value: an address may hold a credential."""

    url: str = field(repr=False)
    params: dict[str, Value] = field(repr=False)
    body: Any = field(default=None, repr=False)


def ask(poll: Poll, values: Values, *, link: str | None = None) -> Ask:
    """The request for `values`; `link` is an address of this source's that names its parameters itself.

    Raises TerminalError where a value cannot stand where it is wanted.
    """
    placed = set(_places((poll.params, poll.body)))
    body = _filled(poll.body, values, is_top=True) if poll.body is not None else None
    if link is not None:
        return Ask(_with_own_credentials(poll.url, link), {}, body)
    declared = _filled(dict(poll.params), values)
    params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in declared.items()}
    return Ask(poll.url, {**params, **{name: value for name, value in values.items() if name not in placed}}, body)


def safe_link(poll: Poll, link: str, what: str) -> str:
    """Path and query of an address that a source named, to go on from. Raises TerminalError for another host."""
    here, there = urlsplit(poll.url), _split(poll.url, link)
    if there is None or there.scheme not in ("http", "https") or not _is_same_host(here, there):
        raise TerminalError(
            f"{what}: the next page's address leads to another host, which is not asked;"
            " has the source moved? Then set its new address"
        )
    credentials = {*_CREDENTIALS, *(name.lower() for name in getattr(poll.auth, "parameters", ()))}
    own = {pair for pair in parse_qsl(here.query) if is_credential(pair[0])}
    pairs = [
        pair
        for pair in parse_qsl(there.query, keep_blank_values=True)
        if pair[0].lower() not in credentials and pair not in own
    ]
    return str(urlunsplit(("", "", there.path or "/", urlencode(pairs), "")))


def is_credential(name: str) -> bool:
    """Whether a parameter of a set address is one, by a word in its name."""
    return any(word in name.lower() for word in _CREDENTIAL_WORDS)


def wrong_places(poll: Poll) -> list[str]:
    """Names in braces that nothing is sent under, as sentences."""
    cursor = (poll.cursor.param,) if poll.cursor is not None else ()
    known = dict.fromkeys((*cursor, *params_of(poll.pages)))
    allowed = ", ".join(f"{{{name}}}" for name in known) or "none, as there is neither a cursor nor pages"
    return [
        f"{{{name}}} is not sent by this poll; allowed: {allowed}"
        for name in dict.fromkeys(_places((poll.params, poll.body)))
        if name not in known
    ]


def _places(wanted: Any) -> Iterator[str]:
    if isinstance(wanted, tuple):
        params, body = wanted
        yield from _places(dict(params))
        yield from _places({key: entry for key, entry in (body or {}).items() if not _is_document(key, body)})
    elif isinstance(wanted, Mapping):
        for entry in wanted.values():
            yield from _places(entry)
    elif isinstance(wanted, list):
        for entry in wanted:
            yield from _places(entry)
    elif isinstance(wanted, str):
        yield from (match[1] for match in _PLACE.finditer(wanted))


def _is_document(key: str, body: Mapping[str, Any]) -> bool:
    return key == "query" and "variables" in body


def _filled(wanted: Any, values: Values, *, is_top: bool = False) -> Any:
    if isinstance(wanted, Mapping):
        filled = {
            key: entry if is_top and _is_document(key, wanted) else _filled(entry, values)
            for key, entry in wanted.items()
        }
        return {key: entry for key, entry in filled.items() if entry is not _NOTHING}
    if isinstance(wanted, list):
        return [entry for entry in (_filled(entry, values) for entry in wanted) if entry is not _NOTHING]
    return _in_text(wanted, values) if isinstance(wanted, str) else wanted


def _in_text(text: str, values: Values) -> Any:
    whole = _PLACE.fullmatch(text)
    if whole is not None:
        value = values.get(whole[1])
        return _NOTHING if value is None else _number(value) if whole[2] else value
    if any(values.get(match[1]) is None for match in _PLACE.finditer(text)):
        return _NOTHING
    return _PLACE.sub(lambda match: _plain(values[match[1]]), text)


def _number(value: Value) -> Value:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    if isinstance(value, str):
        raise TerminalError("the cursor's value is sent as a number and is none: take `:number` away")
    return value


def _plain(value: Value) -> str:
    if not _PLAIN_VALUE.fullmatch(str(value)):
        raise TerminalError("the cursor's value has signs that cannot stand inside a text: send it alone, as `{name}`")
    return str(value)


def _with_own_credentials(url: str, link: str) -> str:
    """A kept link at the address that is set, with the credentials that stand in that and not in the link."""
    here, there = urlsplit(url), urlsplit(link)
    named = {name for name, _ in parse_qsl(there.query, keep_blank_values=True)}
    own = [(name, value) for name, value in parse_qsl(here.query) if is_credential(name) and name not in named]
    query = "&".join(part for part in (there.query, urlencode(own)) if part)
    return urlunsplit((here.scheme, here.netloc, there.path, query, ""))


def _split(url: str, link: str) -> Any:
    try:
        parts = urlsplit(urljoin(url, link))
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_same_host(here: Any, there: Any) -> bool:
    """Behind a proxy many servers write http:// where they are reached by https://: such a link is asked by https."""
    ports = {"http": 80, "https": 443}
    is_plain = here.scheme == "https" and there.scheme == "http" and there.port in (None, 80)
    same_port = (here.port or ports.get(here.scheme)) == (there.port or ports.get(there.scheme))
    return bool(here.hostname == there.hostname and ((here.scheme == there.scheme and same_port) or is_plain))
