"""The words a destination (a CRM) is declared in, and what the pipeline and a CRM say to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from connectors.kit.destinations.options import Option
from connectors.kit.errors import ConfigurationError
from connectors.kit.reach import Reach

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


SUBJECTS = ("person", "company", "touch", "consent")
"""What a record can stand for. A touch is one contact of a person: a form sent, a call, a webinar. A consent is what
holds of one person, purpose and channel, also when it was refused or taken back."""


@dataclass(frozen=True, slots=True)
class Link:
    """To another record of the same CRM. `role`: the field or association by which the mapping names it, `object` the
    CRM's name of what it leads to, `crm_id` the CRM's own id of it. None: to none any more, where a record of ours was
    linked."""

    role: str
    object: str
    crm_id: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """One wanted state. `key` is our external id (the subject's id): the CRM upserts by it, so a repeat is harmless.

    `fields` are the CRM's own field names and values; None empties a field. `update_only`: a record that the CRM does
    not have (any more) must not be made for this; it is "written" with the code `record_gone`. Only kinds of CRM that
    declare `merge = "mark"` are given such records. `crm_id` is the CRM's own id of it, if it was written before.
    `links`: to records that are there already; no link of a role says nothing of what the CRM has there.
    """

    key: str
    fields: dict[str, Any] = field(repr=False)
    update_only: bool = False
    crm_id: str | None = None
    links: tuple[Link, ...] = ()


def check_batch(records: Sequence[Record], most: int) -> None:
    """Raises ValueError for what no caller may hand to a writer: more records than a call takes, or a key twice."""
    if len({record.key for record in records}) != len(records) or len(records) > most:
        raise ValueError(f"a call takes at most {most} records with different keys; got {len(records)}")


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The CRM's word on one record. `state`: "written", "retry" (same record again later) or "rejected" (a human).

    `message` is the CRM's text with every value of the record removed. `crm_id` is the CRM's own id. `blames_setting`
    of a rejected one: the reason may lie in the settings, the mapping or the account's rights as well as in the record.
    Where nothing else of the call was written it is tried again, and with several of them the destination is halted.
    """

    key: str
    state: str
    crm_id: str | None = None
    created: bool | None = None
    code: str | None = None
    field: str | None = None
    message: str | None = None
    blames_setting: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """A limit of the account: at most `calls` in any `seconds`, all applications together.

    Where the CRM tells its limit, that counts in place of `calls`; with `is_cap` it may only lower it. We never use the
    share `reserve`, and the bulk lane leaves the share `floor` to the hot lane.
    """

    name: str
    calls: int
    seconds: float
    reserve: float = 0.0
    floor: float = 0.0
    is_cap: bool = False


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """What the CRM said of one of its windows: calls used, ours and those of others, and its limit."""

    name: str
    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What the CRM said in the last answer of its longest window (a day's calls), None where it said nothing; and of
    shorter windows. A writer makes a new one for each answer that says something: that tells which call it is of."""

    used: int | None = None
    limit: int | None = None
    windows: tuple[WindowUsage, ...] = ()


class Writer(Protocol):
    """Writes to one CRM account over connections that it keeps open.

    A writer may have `sent_as`, a text that says what its records are known by ("Lead by Afluente_Id__c"). A person who
    has a record that was made under another one is not written, as that would make a second record.
    """

    usage: Usage

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        """Write at most `batch_size` records; one result for each, in the order given.

        The caller has a grant of the quota for `DestinationType.calls_per_write` calls. A writer that may make more, or
        fewer, says so before each call by `Connection.before_call`, which takes a further grant where none is left; the
        others are counted as one call. A writer never divides the records itself.

        Raises TransientError, QuotaError or TerminalError when the call as a whole came to nothing. A record for which
        the answer holds neither result nor error is "retry": its state is unknown and an upsert may be repeated.
        Raises RecordError when the CRM refused the whole call for what is in it without naming the record: the caller
        then writes halves, each with a grant of the quota, until the culprit stands alone.
        """
        ...

    def check(self) -> None:
        """One cheap authenticated call for `afluente doctor`; raises as `write` does."""
        ...

    def close(self) -> None: ...


class Secrets(dict[str, str]):
    """Secrets of a destination by name. One that is not given is a sentence for whoever sets it up, not a KeyError."""

    def __init__(self, destination: str, given: Mapping[str, str]) -> None:
        super().__init__(given)
        self._destination = destination

    def __missing__(self, name: str) -> str:
        raise ConfigurationError(
            f"destinations.{self._destination}.secrets.{name} is not set: give it as env:NAME or file:PATH"
        )


@dataclass(frozen=True, slots=True)
class SentField:
    """A field that the mapping sends: its type, as the mapping's `as` names it, its `max` in characters, and the words
    of its `picklist`."""

    name: str
    kind: str = "text"
    max_length: int | None = None
    values: tuple[str, ...] | None = None


def _uncounted(_cost: int = 1) -> None:
    """Where nobody counts calls: `check`, and tests of a writer alone."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one CRM account, with secrets already resolved; to ask for one that is not set raises
    ConfigurationError. `fields` are all that the mapping may send.

    `object`: the CRM's name of what is written, None for the one that persons are by the options; `subject`: what it
    stands for; `links`: the roles by which it may be linked. A writer is opened for each object of an account.

    `reach`: where it may connect to, for its `session`.

    `before_call` is to be called before each call that the CRM counts, with what it costs if that is more than one. It
    waits for a grant of the quota; raises QuotaError where none can be had in good time, TransientError without Redis.
    """

    name: str
    base_url: str
    options: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    timeout_seconds: float = 20.0
    fields: tuple[SentField, ...] = ()
    object: str | None = None
    subject: str = "person"
    links: tuple[str, ...] = ()
    before_call: Callable[[int], None] = field(default=_uncounted, repr=False, compare=False)
    reach: Reach = field(default_factory=Reach)

    @property
    def is_local(self) -> bool:
        """Whether it leads to this machine, where a sandbox may answer."""
        return urlsplit(self.base_url).hostname in _LOOPBACK


NO_LINKS = ("",)
"""Of an object that leads to no other."""


@dataclass(frozen=True, slots=True)
class ObjectType:
    """An object that a kind of CRM can write: the CRM's name of it, or, as the last one, "*" for any other, and what it
    may stand for. `links`: the roles it may have, () for any field's name, `NO_LINKS` for none. `open`: makes its
    writer, where it is written in other ways than the rest."""

    name: str
    subjects: tuple[str, ...]
    links: tuple[str, ...] = ()
    open: Callable[[Connection], Writer] | None = None


@dataclass(frozen=True, slots=True)
class DestinationType:
    """A kind of CRM. The module holds one constant, `DESTINATION`.

    `calls_per_second`, `burst` and `windows` are the defaults of the shared quota; afluente.yaml may say otherwise. All
    of them hold at once. `calls_per_write` are granted together before a write; what it does not make is given back.
    `options` and the names of `secrets` are what afluente.yaml may give; `sandbox_secrets` are taken for an address of
    this machine where none are given: those of its sandbox. `schemes` are what `base_url` may begin with. `merge` says
    what becomes of the record of a person who turned out to be another: `mark`, the mapping's field `from: merged_into`
    says whose record to look at; `none`, it stays as it is. `objects`: what a mapping's section `objects:` may name;
    without any a person's record is all that is written.
    """

    kind: str
    title: str
    docs_url: str
    open: Callable[[Connection], Writer]
    batch_size: int
    calls_per_second: float
    burst: int
    options: tuple[Option, ...] = ()
    secrets: tuple[str, ...] = ()
    sandbox_secrets: Mapping[str, str] = field(default_factory=dict)
    merge: Literal["mark", "none"] = "none"
    schemes: tuple[str, ...] = ("http", "https")
    objects: tuple[ObjectType, ...] = ()
    windows: tuple[Window, ...] = ()
    calls_per_write: int = 1

    @property
    def abilities(self) -> tuple[str, ...]:
        """What its writers are able to do beside writing, by the names of `capabilities.CAPABILITIES`."""
        from connectors.kit.destinations.capabilities import abilities_of

        return abilities_of(self.open)

    def connect(self, connection: Connection) -> Writer:
        """A writer to it. Raises ConfigurationError for secrets or options that it cannot do without."""
        if self.sandbox_secrets and not connection.secrets and connection.is_local:
            connection = replace(connection, secrets=Secrets(connection.name, self.sandbox_secrets))
        known = self.object_type(connection.object)
        return (known.open if known and known.open else self.open)(connection)

    def object_type(self, name: str | None) -> ObjectType | None:
        """What is declared of the object of this name, if need be by "*"; None where that is no object of this kind."""
        return next((known for known in self.objects if name is not None and known.name in (name, "*")), None)
