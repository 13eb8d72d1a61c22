"""The words a source is declared in. Facts only: what they do lives in `signatures`, `paging` and the pipeline.

A connector module holds one constant, `CONNECTOR`. Paths are dotted (`data.lead.email`), `None` means the whole body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from connectors.kit.sources.collected.kinds import Collected

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
    then known before its body is read; `fault_of(secret)`: why a secret can prove nothing, or None; and `signs_body`:
    False where it proves who posts and nothing about the body.
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
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A request that may be a handshake. Header names are lower-case; `query` holds the first value of each name.

    `secrets_of` gives the values of a declared secret, several while one is replaced; empty if it is not set here.
    """

    method: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    secrets_of: Callable[[Secret], Sequence[str]] = field(repr=False)


class Handshake(Protocol):
    """How a source makes sure that an address is ours before it sends there, by a request that is no lead."""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What it needs beside the signature's own secret."""
        ...

    @property
    def is_signed(self) -> bool:
        """Whether the source signs this request as it signs leads: then it is proven before it is answered."""
        ...

    def answer(self, question: Question) -> Answer | None:
        """The answer, or None if this is no handshake of this kind. Raises HandshakeRefusedError."""
        ...


AskFunction = Callable[[Mapping[str, str], Sequence[str]], Answer | None]


@dataclass(frozen=True, slots=True)
class Webhook:
    """The source posts to `/in/{brand}/{source}`. One body is one record unless `records_at` names a list in it.

    `records_at` may go through lists (`entry[*].changes[*].value`) and name several; what stands beside a list is read
    by `^.` (connectors/kit/sources/parts.py). `json_fields` are fields of a form that hold JSON as text.
    """

    records_at: str | tuple[str, ...] | None = None
    signature: Signature | None = None
    formats: tuple[str, ...] = ("json",)  # of: json, form, text (JSON under text/plain, as browsers send cross-origin)
    idempotency_header: str | None = None  # lower-case header that is the same over retries
    answer: Answer = Answer()
    max_body_bytes: int = 1_048_576
    max_records: int | None = None  # in one body; None: 1 for a browser's form, 100 unsigned, 5,000 signed
    cross_origin: bool = False  # browsers post here: answer CORS preflights
    # How the source makes sure that this address is ours: connectors/kit/sources/handshakes.py. A function gets the
    # query of a GET and the secrets.
    handshake: Handshake | tuple[Handshake, ...] | AskFunction | None = None
    json_fields: tuple[str, ...] = ()

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
    that carries it. `lookback_seconds` re-reads a little: late records are caught, repeats are harmless. The value goes
    back in the source's own spelling; one that is dated in the future is never kept.

    With `next_at` the answer names the next page's token itself (sent as `param`), and `field` is not used.
    """

    param: str
    field: str | None = None
    next_at: str | None = None
    lookback_seconds: int = 0


@dataclass(frozen=True, slots=True)
class PageNumber:
    """`?page=1&limit=100` until the answer says that no more follow, or a page comes back empty.

    Whether more follow is read in the fields that most APIs use (`has_more`, `next`, `total_pages`, … at the top or
    under `meta`, `paging`, `pagination`). Another place is declared: `more_at` is the path of a yes or no, or of the
    next page's number or address; `total_pages_at` that of the number of pages. What is declared wins.
    """

    param: str = "page"
    size_param: str = "limit"
    size: int = 200
    first: int = 1
    more_at: str | None = None
    total_pages_at: str | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """The pipeline asks the source every `every_seconds`; beat runs it, the ops of one poll commit page by page."""

    url: str
    records_at: str | None = None
    pages: PageNumber | None = None
    cursor: Cursor | None = None
    token: Secret | None = None  # sent as `Authorization: Bearer …`, if it is set
    token_required: bool = False  # known to refuse everybody without one: `doctor` then need not ask
    every_seconds: int = 60
    rate_per_second: float = 5.0
    max_answer_bytes: int = 33_554_432  # of one answer, packed or unpacked; what is larger is not read on


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

    `event_id` names a record: the same id with other content is a revision of it. It must differ for every record.
    None, or absent in a record: the idempotency key is made from the record's content.

    - `revised_at`: path of the time (or growing number) of a record's last change. The greatest one counts, whatever
      comes first; without it the later arrival. A Poll has its cursor's field for it unless another is named.
    - `contact_at`: paths whose first filled value tells contacts of one record apart. Without it a record is one
      contact, however often it is revised, and has one touch.
    - `revisions`: "replace", a revision takes the place of what the record said before; or "add", each delivery says
      something of its own, as the second step of a form that sends only the new answers; or "first", what was said
      first stands and later deliveries are set aside, as the messages of a conversation. Where nothing proves who
      sent a webhook, revisions always add: a stranger who knows an id can take nothing away.
    """

    source: str
    title: str
    owner: str
    docs_url: str
    intake: Webhook | Poll | File | Api | Collected
    tier: str = "bronze"
    lane: str = "hot"
    event_id: str | None = None
    occurred_at: str | None = None
    revised_at: str | None = None
    contact_at: tuple[str, ...] = ()
    revisions: str = "replace"
    prepare: Callable[..., dict[str, Any]] | None = None  # of (record) or (record, parents), at mapping time: pure
    settings: tuple[str, ...] = field(
        default=()
    )  # names of afluente.yaml keys that the connector understands beyond the common ones
