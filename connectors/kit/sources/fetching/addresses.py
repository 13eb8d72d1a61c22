"""The address that a record is read from: made of a declaration, options and the id that came, and of nothing else.

What came may have been written by anybody. So a value in an address is quoted, never a step up the path, and a whole
address is taken only for a host that the declaration names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.kit.errors import RecordError
from connectors.kit.paths import get_path
from connectors.kit.sources.fetching.fetch import MEANINGS, Fetch

_PLACEHOLDER = re.compile(r"\{([^{}:]+)(?::(last))?\}")
_LONGEST_ID = 500
_LONGEST_ADDRESS = 2_000
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")  # in an address: each reader takes them for something else
_NO_ID = re.compile(r"[\x00-\x1f\x7f/\\]")  # quoted, some servers would still take it for a step in the path
_HTTPS = 443


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask for. It may hold an id that tells who somebody is, so its repr shows none."""

    url: str = field(repr=False)
    params: dict[str, str] = field(repr=False)
    headers: dict[str, str] = field(repr=False)


def target_of(
    fetch: Fetch, record: Mapping[str, Any], options: Mapping[str, Any], *, base: str | None = None
) -> Target:
    """Where this record is read. `base`: scheme, host and first part of the path in place of the declared ones.

    Raises RecordError `no_fetch_id` where the record has no usable id, `fetch_address_refused` where its address is not
    one that may be called.
    """
    url = _foreign_address(fetch, record) if fetch.hosts else _filled(fetch.url, record, options)
    parts = urlsplit(url)
    if any(step in (".", "..") for step in parts.path.split("/")):
        raise RecordError("no_fetch_id", message="its id is a step in a path, which no id is")
    if base is not None:
        url = base.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")
    return Target(url, _texts(fetch.params, options), _texts(fetch.headers, options))


def names_in(template: str) -> list[str]:
    """The options and paths that a template asks for."""
    return [name for name, _ in _PLACEHOLDER.findall(template)]


def address_problems(fetch: Fetch) -> list[str]:
    """What is wrong with a declaration, as sentences."""
    known = {option.name for option in fetch.options}
    problems = [
        f"fetch: {name} is in params or headers and no option; only url may hold what came in a record"
        for template in (*fetch.params.values(), *fetch.headers.values())
        for name in names_in(template)
        if name not in known
    ]
    problems += [
        f"fetch: the option {option.name} needs a default, or an address could not be made"
        for option in fetch.options
        if option.default is None
    ]
    problems += [
        f"fetch: the code {code} means {meaning!r}; allowed: {', '.join(MEANINGS)}"
        for code, meaning in fetch.codes.items()
        if meaning not in MEANINGS
    ]
    if fetch.hosts:
        if not _PLACEHOLDER.fullmatch(fetch.url):
            problems.append("fetch: with hosts, url is the path of the address alone, as {api_url}")
        return problems
    if "{" in fetch.url.partition("://")[2].partition("/")[0] or not fetch.url.startswith("https://"):
        problems.append("fetch: url begins with https:// and a host that is written out; with {path} alone, say hosts")
    return problems


def _filled(template: str, record: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    def value_of(found: re.Match[str]) -> str:
        name, cut = found.groups()
        return quote(str(options[name]), safe="") if name in options else quote(_id_at(record, name, cut), safe="")

    return _PLACEHOLDER.sub(value_of, template)


def _id_at(record: Mapping[str, Any], path: str, cut: str | None) -> str:
    value = get_path(record, path)
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if cut:
        text = text.rpartition(":")[2]
    if not text or len(text) > _LONGEST_ID or _NO_ID.search(text):
        raise RecordError("no_fetch_id", field=path, message="what came holds no id to read the record by")
    return text


def _foreign_address(fetch: Fetch, record: Mapping[str, Any]) -> str:
    """An address that came in a record, without its query, if it may be called."""
    path = names_in(fetch.url)[0]
    text = get_path(record, path)
    allowed = f"only addresses at https://{' or https://'.join(fetch.hosts)} are called"
    if not isinstance(text, str) or not text or len(text) > _LONGEST_ADDRESS:
        raise RecordError("no_fetch_id", field=path, message="what came holds no address to read the record at")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RecordError("fetch_address_refused", field=path, message=f"it is no address; {allowed}") from None
    is_ours = parts.scheme == "https" and host in fetch.hosts and port in (None, _HTTPS) and "@" not in parts.netloc
    if not is_ours or _UNFIT.search(text):
        raise RecordError("fetch_address_refused", field=path, message=f"{allowed}; nothing was")
    return f"https://{host}{parts.path}"


def _texts(templates: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, str]:
    return {name: _PLACEHOLDER.sub(lambda found: str(options[found[1]]), text) for name, text in templates.items()}
