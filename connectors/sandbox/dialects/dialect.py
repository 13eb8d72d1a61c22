"""What a dialect of the sandbox is: the words in which one CRM is asked and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from connectors.sandbox.faults import Faults, FaultSpec
from connectors.sandbox.records import SandboxRecords


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` have lower-case names; `query` holds the last value of each parameter."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """`route` is what `/_calls` counts it under; `counts` are created, changed, unchanged and rejected records."""

    status: int
    body: bytes
    route: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


class Dialect(Protocol):
    """One CRM's API over the sandbox's records."""

    name: str
    paths: str | tuple[str, ...]  # where the API begins, tokens apart: "/crm"

    def answer(self, request: Request, faults: FaultSpec) -> Reply | None:
        """The answer, or None where the CRM has no such route."""
        ...

    def failure(self, status: int) -> Reply:
        """How this CRM words a failure of its own."""
        ...

    def over_limit(self, *, is_daily: bool) -> Reply:
        """How this CRM words that a quota is used up."""
        ...

    def shorten(self, reply: Reply) -> Reply:
        """The reply with its last result left out."""
        ...

    def record_id(self, number: int, kind: str = "") -> str:
        """The CRM's own id for the sandbox's record number."""
        ...


MakeDialect = Callable[[SandboxRecords, Faults], Dialect]


def json_reply(status: int, value: Any, route: str, **more: Any) -> Reply:
    return Reply(status, orjson.dumps(value), route, **more)
