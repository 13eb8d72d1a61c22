"""Several lists of one source: the poll of each stream, and of each parent's part of one."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from connectors.kit.errors import ConfigurationError
from connectors.kit.paths import get_path
from connectors.kit.sources.cursor_values import as_text
from connectors.kit.sources.declarations import Parent, Poll, Stream
from connectors.kit.sources.paging.declared import TimeWindow
from connectors.kit.sources.runs import Page

_PLACE = "{parent}"
_KEY = re.compile(r"[\w.:-]{1,100}")  # an id that may stand in clear: no address of anybody


@dataclass(frozen=True, slots=True)
class ParentRecord:
    """`key`: its id where it may stand in clear, else a digest of it."""

    id: str = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> str:
        return self.id if _KEY.fullmatch(self.id) else "#" + hashlib.sha256(self.id.encode()).hexdigest()[:16]


def stream_named(poll: Poll, name: str) -> Stream:
    """Raises ConfigurationError."""
    for stream in poll.streams:
        if stream.name == name:
            return stream
    known = ", ".join(stream.name for stream in poll.streams) or "none, it is read as one"
    raise ConfigurationError(f"there is no stream {name[:64]!r} of this source; known: {known}")


def poll_of_stream(poll: Poll, stream: Stream, parent_id: str | None = None) -> Poll:
    """The poll of one list. Raises ConfigurationError for an address at another host."""
    url = stream.url if stream.url is None or parent_id is None else stream.url.replace(_PLACE, quote(parent_id, ""))
    params = poll.params if stream.params is None else stream.params
    body = poll.body if stream.body is None else stream.body
    return dataclasses.replace(
        poll,
        url=_below(poll.url, url),
        records_at=poll.records_at if stream.records_at is None else stream.records_at,
        params=_with_parent(params, parent_id),
        body=_with_parent(body, parent_id),
        pages=stream.pages or poll.pages,
        cursor=stream.cursor or (None if isinstance(stream.pages, TimeWindow) else poll.cursor),
        streams=(),
    )


def poll_of_parents(poll: Poll, parent: Parent) -> Poll:
    """The poll of the list of parents, always from its beginning. Raises ConfigurationError as above."""
    return dataclasses.replace(
        poll,
        url=_below(poll.url, parent.url),
        records_at=parent.records_at,
        params=parent.params,
        method="GET",
        body=None,
        pages=parent.pages,
        cursor=None,
        streams=(),
    )


def first_list(poll: Poll) -> Poll:
    """The poll of the first list that a source gives, to see whether it lets us in."""
    if not poll.streams:
        return poll
    first = poll.streams[0]
    return poll_of_stream(poll, first) if first.parent is None else poll_of_parents(poll, first.parent)


def parents_in(pages: Iterator[Page], parent: Parent) -> tuple[list[ParentRecord], bool]:
    """The parents, in the order given, and whether there are more than may be. Each once; those without id left out."""
    found: dict[str, ParentRecord] = {}
    for page in pages:
        for record in page.records:
            id_ = parent_id_of(parent, record)
            if id_ is None:
                continue
            if len(found) == parent.most and id_ not in found:
                return list(found.values()), True
            found[id_] = ParentRecord(id_, record)
    return list(found.values()), False


def parent_id_of(parent: Parent, record: Any) -> str | None:
    """The id of a parent; of one that is named by its address, the last part of that."""
    id_ = as_text(get_path(record, parent.id_at))
    if id_ is None or not id_.startswith("https://"):
        return id_
    return urlsplit(id_).path.rstrip("/").rpartition("/")[2] or None


def _with_parent(wanted: Any, parent_id: str | None) -> Any:
    if parent_id is None or wanted is None:
        return wanted
    if isinstance(wanted, Mapping):
        return {key: _with_parent(entry, parent_id) for key, entry in wanted.items()}
    if isinstance(wanted, list):
        return [_with_parent(entry, parent_id) for entry in wanted]
    return wanted.replace(_PLACE, parent_id) if isinstance(wanted, str) else wanted


def _below(url: str, more: str | None) -> str:
    if more is None:
        return url
    here, there = urlsplit(url), urlsplit(more)
    if there.netloc and (there.scheme, there.netloc) != (here.scheme, here.netloc):
        raise ConfigurationError("a stream's address is at another host, which would get this source's token")
    is_rooted = there.netloc or there.path.startswith("/")
    path = there.path if is_rooted else f"{here.path.rstrip('/')}/{there.path}"
    query = "&".join(part for part in (here.query, there.query) if part)
    return str(urlunsplit((here.scheme, here.netloc, path, query, "")))
