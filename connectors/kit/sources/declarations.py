"""The words a source is declared in. Facts only: what they do lives in `signatures`, `paging` and the pipeline.

A connector module holds one constant, `CONNECTOR`. Paths are dotted (`data.lead.email`), `None` means the whole body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from connectors.kit.sources.paging.declared import Pages, PageWay
from connectors.kit.tokens import TokenSource

if TYPE_CHECKING:
    from connectors.kit.sources.collected.kinds import Collected
    from connectors.kit.sources.fetching.fetch import Fetch
    from connectors.kit.sources.fetching.subscriptions import Subscription
    from connectors.kit.sources.reconciling.declared import Reconcile

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
    # How the source makes sure that this address is ours (handshakes.py). A function gets a GET's query and secrets.
    handshake: Handshake | tuple[Handshake, ...] | AskFunction | None = None
    json_fields: tuple[str, ...] = ()
    fetch: Fetch | None = None  # the body brings ids; the record of each is read from the source before it is mapped
    reconcile: Reconcile | None = None  # the source can be asked what it has posted: what was lost is found by its id
    subscription: Subscription | None = None  # the source can be asked whether it still knows our address

    @property
    def record_limit(self) -> int:
        """How many records one body may hold: what nobody has to prove must not be multiplied by a list."""
        if self.max_records is not None:
            return self.max_records
        if self.signature is not None:
            return _SIGNED_RECORDS
        return 1 if self.cross_origin else _UNSIGNED_RECORDS


@dataclass(frozen=True, slots=True)
class Client:
    """An app as a token server knows it, told by fields of the form (`body`) or by HTTP's Basic scheme."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    told_by: Literal["body", "basic"] = "body"


class Grant(Protocol):
    """How tokens are had from a token server: what connectors/kit/sources/auth/oauth.py declares."""

    @property
    def token_url(self) -> str: ...
    @property
    def client_id(self) -> Secret: ...
    @property
    def client_secret(self) -> Secret | None: ...
    @property
    def needs_a_human(self) -> bool:
        """Whether somebody has to agree once, by `afluente source connect NAME`, before it lets us in."""
        ...

    @property
    def granted_for(self) -> tuple[str, ...]:
        """What a token belongs to: one of something else is not shown."""
        ...

    @property
    def client_auth(self) -> Literal["body", "basic"]: ...
    def renewal(self, refresh_token: str | None) -> dict[str, str] | None:
        """The form that gets the next token; None if there is nothing to get one with."""
        ...


class Keys(Protocol):
    """What is set up for a source of a brand, as an Auth asks for it."""

    def secrets_of(self, secret: Secret) -> Sequence[str]:
        """The values of a declared secret, newest first, several while one is replaced; empty if it is not set."""
        ...

    def tokens_of(self, grant: Grant) -> TokenSource:
        """Tokens of a Grant (connectors/kit/sources/auth), which outlive this process."""
        ...


Mark = Callable[[Any], Any]  # of a prepared request, as requests takes it for `auth`


class Access(Protocol):
    """What requests of one reading are marked with."""

    def marks(self) -> Iterator[Mark | None]:
        """For one request: whoever asks for a further mark says that the one before was refused."""
        ...


class Auth(Protocol):
    """How we prove to a source who asks: connectors/kit/sources/auth has the usual ways.

    One that puts a secret into the address also has `parameters`, the names that it stands under there."""

    @property
    def secrets(self) -> tuple[Secret, ...]: ...

    @property
    def grant(self) -> Grant | None:
        """What its tokens are had by; None where the secrets themselves are shown."""
        ...

    def access(self, keys: Keys) -> Access: ...


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a poll continues. `field` is the path in a record whose greatest value is kept; `param` the query parameter
    that carries it. `lookback_seconds` re-reads a little: late records are caught, repeats are harmless. The value goes
    back in the source's own spelling; one that is dated in the future is never kept.

    With `next_at` the answer names the next page's token itself (sent as `param`), and `field` is not used; the last
    token lasts, and the next run goes on from it. A token that only leads through the pages is a PageToken.
    """

    param: str
    field: str | None = None
    next_at: str | None = None
    lookback_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Parent:
    """The list whose records a stream is read for, one after the other: forms, of which each has leads.

    `url` as of a Stream; `id_at`: the path of the id (of an address its last part) that goes into the stream's address
    as `{parent}`. `most`: how many there may be. `own_ids`: ids of records are told apart by parent (entry 1 of each
    form). `may_lack`: where a source is reconciled, a 404 in place of the stream's list says that this one has none.
    """

    url: str
    records_at: str | None = None
    id_at: str = "id"
    pages: PageWay | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    most: int = 1_000
    own_ids: bool = False
    may_lack: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """One of several lists of a polled source, read on from a position of its own. What is not given is the Poll's.

    `url`: below that of the Poll, from the root of its host (`/v2/contacts`), or whole and at the same host. With a
    `parent` it is read for each record of another list, whose id stands as `{parent}` in `url`, `params` or `body`.
    Ids of records are told apart by stream.
    """

    name: str
    url: str | None = None
    records_at: str | None = None
    params: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = None
    pages: Pages | None = None
    cursor: Cursor | None = None
    parent: Parent | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """The pipeline asks the source every `every_seconds`; beat runs it, the ops of one poll commit page by page.

    `params`, `headers` (no secrets) and the JSON `body` are sent with each call; `{name}` in them is where a value of
    the cursor or the pages goes (paging/asking.py). `errors_at`: where an answer of status 200 holds errors, as GraphQL
    has `errors`. `code_at` and `codes`: as of a Fetch, what a refusal means whatever its status.
    """

    url: str
    records_at: str | None = None
    pages: Pages | None = None
    cursor: Cursor | None = None
    token: Secret | None = None  # short for auth=Bearer(…), and sent only if it is set
    auth: Auth | None = None
    token_required: bool = False  # known to refuse everybody without one: `doctor` then need not ask
    every_seconds: int = 60
    rate_per_second: float = 5.0
    max_answer_bytes: int = 33_554_432  # of one answer, packed or unpacked; what is larger is not read on
    method: str = "GET"
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    errors_at: str | None = None
    code_at: str | None = None
    codes: Mapping[int, str] = field(default_factory=dict)
    streams: tuple[Stream, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """Rows of CSV, TSV, Excel or JSONL files given to `afluente import`. Every source may be imported from a file;
    this declares that files are the way the source usually comes."""

    example: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """Leads posted to `/v1/leads` in canonical fields; or what else is `taken` at its own address, `/v1/consents`."""

    taken: Literal["leads", "consents"] = "leads"


class ConfiguredBy(Protocol):
    """Options of afluente.yaml, of checked types, that describe a source."""

    def connector(self, base: Connector, slug: str) -> Connector:
        """The declaration of the source that is set up as `slug`, whose mapping has that name. Raises
        ConfigurationError, with sentences that begin with the option's name."""
        ...


@dataclass(frozen=True, slots=True)
class Connector:
    """One source. `event_id` and `occurred_at` are paths in a record; the first makes a second delivery harmless.

    `event_id` names a record: the same id with other content is a revision of it. It must differ for every record.
    None, or absent in a record: the idempotency key is made from the record's content. Of several paths the last must
    be filled; those before it say of what kind it is, where they are.

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
    event_id: str | tuple[str, ...] | None = None
    occurred_at: str | None = None
    revised_at: str | None = None
    contact_at: tuple[str, ...] = ()
    revisions: str = "replace"
    prepare: Callable[..., dict[str, Any]] | None = None  # of (record) or (record, parents), at mapping time: pure
    settings: tuple[str, ...] = ()  # keys of afluente.yaml that it understands beyond the common ones
    # The type of `options` in afluente.yaml, if those describe the source: kit/sources/configured/options.py.
    configured_by: type[ConfiguredBy] | None = None
