"""The words a source is declared in. Facts only: what they do lives in `signatures`, `paging` and the pipeline.

A connector module holds one constant, `CONNECTOR`. Paths are dotted (`data.lead.email`), `None` means the whole body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

_SIGNED_RECORDS = 5_000  # they go into one transaction
_UNSIGNED_RECORDS = 100


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by reference: the name of the environment variable that holds it, unless afluente.yaml names another.

    A connector never sees the value at import time; the pipeline resolves it when a request has to be checked.
    """

    name: str


class Signature(Protocol):
    """How a request proves that it comes from the source.

    A scheme may also have `is_claimed(headers)`: False where a request does not even say that it is signed, which is
    then known before its body is read; and `fault_of(secret)`: why a secret can prove nothing, or None.
    """

    @property
    def secret(self) -> Secret: ...

    def verify(self, *, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> bool:
        """True if any of `secrets` (several while one is being rotated) signed `body`.

        `headers` have lower-case names; `now` is a Unix time in seconds, for replay windows. Never raises on bad input.
        """
        ...

    def sign(self, *, secret: str, body: bytes, message_id: str, now: float) -> dict[str, str]:
        """The headers a genuine sender would add: for samples and rehearsals."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The 2xx answer a source expects."""

    status: int = 200
    body: str = "{}"
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Webhook:
    """The source posts to `/in/{brand}/{source}`. One body is one record unless `records_at` names a list in it."""

    records_at: str | None = None
    signature: Signature | None = None
    formats: tuple[str, ...] = ("json",)  # of: json, form, text (JSON under text/plain, as browsers send cross-origin)
    idempotency_header: str | None = None  # lower-case header that is the same over retries
    answer: Answer = Answer()
    max_body_bytes: int = 1_048_576
    max_records: int | None = None  # in one body; None: 1 for a browser's form, 100 unsigned, 5,000 signed
    cross_origin: bool = False  # browsers post here: answer CORS preflights
    handshake: Callable[[Mapping[str, str], Sequence[str]], Answer | None] | None = None

    @property
    def record_limit(self) -> int:
        """How many records one body may hold: what nobody has to prove must not be multiplied by a list."""
        if self.max_records is not None:
            return self.max_records
        if self.signature is not None:
            return _SIGNED_RECORDS
        return 1 if self.cross_origin else _UNSIGNED_RECORDS


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a poll continues. `field` is the path in a record whose greatest value is kept; `param` the query parameter
    that carries it. `lookback_seconds` re-reads a little: late records are caught, repeats are harmless.

    With `next_at` the answer names the next page's token itself (sent as `param`), and `field` is not used.
    """

    param: str
    field: str | None = None
    next_at: str | None = None
    lookback_seconds: int = 0


@dataclass(frozen=True, slots=True)
class PageNumber:
    """`?page=1&limit=100` until a page comes back empty or short."""

    param: str = "page"
    size_param: str = "limit"
    size: int = 200
    first: int = 1


@dataclass(frozen=True, slots=True)
class Poll:
    """The pipeline asks the source every `every_seconds`; beat runs it, the ops of one poll commit page by page."""

    url: str
    records_at: str | None = None
    pages: PageNumber | None = None
    cursor: Cursor | None = None
    token: Secret | None = None  # sent as `Authorization: Bearer …`
    every_seconds: int = 60
    rate_per_second: float = 5.0


@dataclass(frozen=True, slots=True)
class File:
    """Rows of CSV, TSV, Excel or JSONL files given to `afluente import`. Every source may be imported from a file;
    this declares that files are the way the source usually comes."""

    example: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """Leads posted to `/v1/leads` in canonical fields."""


@dataclass(frozen=True, slots=True)
class Connector:
    """One source. `event_id` and `occurred_at` are paths in a record; the first makes a second delivery harmless.

    `event_id` None, or absent in a record: the idempotency key is made from the record's content.
    """

    source: str
    title: str
    owner: str
    docs_url: str
    intake: Webhook | Poll | File | Api
    tier: str = "bronze"
    lane: str = "hot"
    event_id: str | None = None
    occurred_at: str | None = None
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    settings: tuple[str, ...] = field(
        default=()
    )  # names of afluente.yaml keys that the connector understands beyond the common ones
