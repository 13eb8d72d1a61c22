"""What is asked for a window of time, and what the source would have posted for a record of the answer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.kit.errors import ConfigurationError, RecordError
from connectors.kit.sources.declarations import Parent, Poll, Stream
from connectors.kit.sources.fetching.addresses import Target
from connectors.kit.sources.paging.streams import poll_of_stream
from connectors.kit.sources.paging.windows import sent
from connectors.kit.sources.parts import takes_parents
from connectors.kit.sources.reconciling.declared import Reconcile, Window

_PLACE = re.compile(r"\{(\w+)(:number)?\}")


def names_in(wanted: Any) -> set[str]:
    """What stands in braces anywhere in a declaration."""
    return {name for name, _ in _PLACE.findall(repr(wanted))}


def polls_of_window(
    reconcile: Reconcile, window: Window, options: Mapping[str, Any], *, base: str | None = None
) -> list[tuple[Poll, dict[str, Any]]]:
    """What to ask for a window, each with the options that it is asked with. `base`: scheme, host and first part of the
    path in place of the declared ones. Raises ConfigurationError where `each` names nothing."""
    several = [options]
    if reconcile.each is not None:
        values = [value.strip() for value in str(options[reconcile.each]).split(",")]
        several = [{**options, reconcile.each: value} for value in values if value]
        if not several:
            raise ConfigurationError(f"{reconcile.each} names nothing that could be asked for")
    return [(_poll_of_window(reconcile, window, chosen, base), dict(chosen)) for chosen in several]


def parent_target(reconcile: Reconcile, poll: Poll, parent_id: str) -> Target | None:
    """Where one parent is read whole; None where its list has all of it."""
    if reconcile.parent_url is None:
        return None
    own = poll_of_stream(dataclasses.replace(poll, params={}), Stream("parent", url=reconcile.parent_url), parent_id)
    return Target(own.url, {}, {"Accept": "application/json", **{k: str(v) for k, v in own.headers.items()}})


def pushed_body(reconcile: Reconcile, record: dict[str, Any], parents: Sequence[Mapping[str, Any]]) -> Any:
    """The body that the source would have posted; None where it would not have. Raises what `pushed` does, and
    RecordError where it gives no body."""
    own = deepcopy(record)
    body = reconcile.pushed(own, list(parents)) if takes_parents(reconcile.pushed) else reconcile.pushed(own)
    if body is not None and not isinstance(body, dict):
        raise RecordError("not_an_object", message=f"the connector's pushed gave a {type(body).__name__}, not a body")
    return body


def _poll_of_window(reconcile: Reconcile, window: Window, options: Mapping[str, Any], base: str | None) -> Poll:
    """Asked a second wider on both sides, and a day where days are written: which side of a border counts differs."""
    written, beside = reconcile.written, timedelta(days=1) if reconcile.written == "date" else timedelta(seconds=1)
    values = {
        **options,
        "from": sent(window.begin - beside, written),
        "to": sent(window.end + beside, written),
    }
    poll = reconcile.poll
    url = _filled_url(poll.url, values)
    if base is not None:
        url = base.rstrip("/") + url.removeprefix(urlsplit(url)._replace(path="", query="", fragment="").geturl())
    return dataclasses.replace(
        poll,
        url=url,
        records_at=_filled(poll.records_at, values),
        params=_filled(dict(poll.params), values),
        headers=_filled(dict(poll.headers), values),
        body=None if poll.body is None else _filled(dict(poll.body), values),
        streams=tuple(_stream_of_window(stream, values) for stream in _chosen(reconcile, options)),
    )


def _chosen(reconcile: Reconcile, options: Mapping[str, Any]) -> list[Stream]:
    """The streams that are read. Raises ConfigurationError where an option names one that is not there."""
    streams = {stream.name: stream for stream in reconcile.poll.streams}
    if reconcile.lists is None:
        return list(streams.values())
    names = [name.strip() for name in str(options[reconcile.lists]).split(",")]
    if unknown := next((name for name in names if name not in streams), None):
        raise ConfigurationError(f"{reconcile.lists} names {unknown[:40]!r}; known: {', '.join(streams)}")
    return [stream for name, stream in streams.items() if name in names]


def _stream_of_window(stream: Stream, values: Mapping[str, Any]) -> Stream:
    parent: Parent | None = stream.parent
    if parent is not None:
        parent = dataclasses.replace(
            parent, url=_filled_url(parent.url, values), params=_filled(dict(parent.params), values)
        )
    return dataclasses.replace(
        stream,
        url=None if stream.url is None else _filled_url(stream.url, values),
        params=None if stream.params is None else _filled(dict(stream.params), values),
        body=None if stream.body is None else _filled(dict(stream.body), values),
        parent=parent,
    )


def _filled_url(template: str, values: Mapping[str, Any]) -> str:
    return _PLACE.sub(lambda found: quote(str(values[found[1]]), "") if found[1] in values else found[0], template)


def _filled(wanted: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(wanted, Mapping):
        return {key: _filled(entry, values) for key, entry in wanted.items()}
    if isinstance(wanted, list):
        return [_filled(entry, values) for entry in wanted]
    if not isinstance(wanted, str):
        return wanted
    whole = _PLACE.fullmatch(wanted)
    if whole is not None and whole[2] and whole[1] in values:
        return values[whole[1]]
    return _PLACE.sub(lambda found: str(values[found[1]]) if found[1] in values else found[0], wanted)
