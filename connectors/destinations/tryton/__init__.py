"""Tryton: a party with contact mechanisms and an opportunity (a lead) for each person, 100 a write, over JSON-RPC.

Tryton has no upsert, and one bad value rolls the whole request back. So a write looks first and then makes or changes
what differs: one request where nothing differs, four where all are new, six at most, and two more where a session has
to be opened. Six are granted before it begins, so that none waits in its midst. All together take no longer than
`timeout_seconds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from connectors.destinations.tryton import records as made
from connectors.destinations.tryton.abilities import BATCH_SIZE, TrytonAbilities
from connectors.destinations.tryton.changes import TrytonChanges
from connectors.destinations.tryton.records import Wanted
from connectors.destinations.tryton.rpc import TrytonAccount
from connectors.kit import (
    ConfigurationError,
    Connection,
    DestinationType,
    Option,
    Record,
    TerminalError,
    TransientError,
    Usage,
    WriteResult,
    check_batch,
)

_RIGHTS = {
    "party.party": "parties",
    "party.contact_mechanism": "contact mechanisms",
    "sale.opportunity": "opportunities",
}
_ERASED = "the party was erased in Tryton, and nothing is written to it any more"
_CLOSED = "the opportunity is closed in Tryton: it stays as it is, the party is kept"


class TrytonWriter(TrytonAbilities, TrytonChanges):
    """One account. Not shared between threads: it holds one HTTP session.

    A person's party has our id as its `code`, which Tryton keeps unique: whoever comes second is refused, so there is
    never another. The opportunity has it as its `reference`, which is not unique; it is only made for a party that has
    none, and after a request without an answer nobody comes back before the server must be done with it.
    A party is ours while its code is our id: an opportunity that somebody moved to another party, or a party whose code
    was changed, is found (by the opportunity) and the party is left alone.
    """

    sent_as = "sale.opportunity by reference"

    def __init__(self, connection: Connection) -> None:
        self.usage = Usage()
        self._name = connection.name
        self._fields = connection.fields
        options, secrets = connection.options, connection.secrets
        if not options.get("database"):
            raise ConfigurationError(
                f"destinations.{connection.name}.options.database is not set: the name of Tryton's"
            )
        self._account = TrytonAccount(
            name=connection.name,
            base_url=connection.base_url,
            database=str(options["database"]),
            user=secrets["user"],
            password=secrets["password"],
            timeout=connection.timeout_seconds,
            company=options.get("company"),
            before_call=connection.before_call,
            reach=connection.reach,
        )

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        return self._bring(records)

    def _bring(self, records: Sequence[Record], parties: Sequence[str] = ()) -> list[WriteResult]:
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        fields = {name for record in records for name in record.fields}
        if forbidden := sorted(fields & made.SET_BY_WRITER):
            raise TerminalError(f"{self._name}: the mapping may not write {', '.join(forbidden)}: the writer sets it")
        self._account.start(fields)
        return _Batch(self._account, records, parties).write()

    def adopt(self, records: Sequence[Record]) -> list[WriteResult]:
        """An opportunity of ours at the party that `crm_id` names, which stays as it is: its code is the number that
        people know it by. As many requests as a write, and one."""
        return self._bring(
            [replace(record, crm_id=None) for record in records], [record.crm_id or "" for record in records]
        )

    def check(self) -> None:
        self._account.start()
        models = list(_RIGHTS)
        allowed = self._account.read("ir.model.access.get_access", models)
        for model in models:
            rights = allowed.get(model) if isinstance(allowed, dict) else None
            for right in ("read", "create", "write"):
                if not isinstance(rights, dict) or not rights.get(right, True):
                    raise TerminalError(f"{self._name}: the Tryton user may not {right} {_RIGHTS[model]}")

    def close(self) -> None:
        self._account.close()


_ChangesOf = Callable[[Wanted, dict[str, Any]], dict[str, Any]]


class _Batch:
    """One write. `opportunities` and `parties` are what Tryton has of each key; a party that is not ours has an id and
    nothing else."""

    def __init__(self, account: TrytonAccount, records: Sequence[Record], parties: Sequence[str] = ()) -> None:
        """`parties`: the id of the party that each record's opportunity is to stand at; none: one of its own."""
        self._account = account
        self._records = records
        self._wanted = {record.key: made.sort_fields(record) for record in records}
        self._values = [value for record in records for value in (record.key, *record.fields.values())]
        self._opportunities: dict[str, dict[str, Any]] = {}
        self._parties: dict[str, dict[str, Any]] = {}
        self._made: set[str] = set()  # keys of the opportunities that this write made
        self._erased: set[str] = set()
        self._homes = dict(zip(self._wanted, parties, strict=False))
        self._gone: set[str] = set()  # keys whose home is not there any more
        self._taken: set[str] = set()  # keys that have an opportunity at another party than their home

    def write(self) -> list[WriteResult]:
        self._find_opportunities()
        self._find_homes()
        self._find_parties()
        self._change("party.party", self._parties, made.party_changes)
        self._make_parties()
        still_open = {key: known for key, known in self._opportunities.items() if self._is_open(key)}
        self._change("sale.opportunity", still_open, self._opportunity_changes)
        self._make_opportunities()
        return [self._result(record) for record in self._records]

    def _find_opportunities(self) -> None:
        ids = [int(record.crm_id) for record in self._records if record.crm_id and record.crm_id.isdigit()]
        domain = ["OR", ["reference", "in", list(self._wanted)], ["id", "in", ids]]
        found = self._search("sale.opportunity", domain, made.fields_of_opportunities(list(self._wanted.values())))
        key_of_id = {record.crm_id: record.key for record in self._records if record.crm_id}
        for opportunity in found:
            party = opportunity.get("party.")
            party = party if isinstance(party, dict) else {}
            key = key_of_id.get(str(opportunity["id"]))
            if key is None or key not in (opportunity.get("reference"), party.get("code")):
                key = str(opportunity.get("reference"))  # the id is of another database, or of nobody's record
            if key not in self._wanted or key in self._opportunities:
                continue  # the eldest counts, should there be two
            self._opportunities[key] = opportunity
            if party:
                is_ours = party.get("code") == key and not party.get("replaced_by")
                self._note_party(key, party if is_ours else {"id": party["id"], "is_foreign": True})

    def _find_homes(self) -> None:
        """The parties that opportunities are to stand at, for those that have none yet."""
        for key in self._homes.keys() & self._opportunities.keys():
            if str(self._opportunities[key].get("party")) != self._homes[key]:
                self._taken.add(key)
        homes = {key: home for key, home in self._homes.items() if key not in self._opportunities}
        if not homes:
            return
        ids = sorted({int(home) for home in homes.values() if home.isdigit()})
        fields = ["name", "active", "replaced_by"]
        found = {str(party["id"]): party for party in self._search("party.party", [["id", "in", ids]], fields)}
        for key, home in homes.items():
            party = found.get(home)
            if party is None or made.is_erased(party) or party.get("replaced_by"):
                self._gone.add(key)
            else:
                self._parties[key] = {"id": party["id"], "is_foreign": True}

    def _find_parties(self) -> None:
        lacking = self._wanted.keys() - self._parties.keys() - self._erased - self._gone
        missing = [key for key in self._wanted if key in lacking]
        if not missing:
            return
        fields = made.fields_of_parties([self._wanted[key] for key in missing])
        for party in self._search("party.party", [["code", "in", missing]], fields):
            key, other = str(party.get("code")), party.get("replaced_by")
            if key in self._wanted:  # `other`: somebody merged it into that one, by hand
                self._note_party(key, {"id": other, "is_foreign": True} if other else party)

    def _note_party(self, key: str, party: dict[str, Any]) -> None:
        if made.is_erased(party):
            self._erased.add(key)
        else:
            self._parties[key] = party

    def _make_parties(self) -> None:
        new = [wanted for key, wanted in self._wanted.items() if key not in self._parties and self._is_open(key)]
        ids = self._create("party.party", [made.new_party(wanted) for wanted in new])
        self._parties |= {wanted.key: {"id": party} for wanted, party in zip(new, ids, strict=True)}

    def _make_opportunities(self) -> None:
        new = [wanted for key, wanted in self._wanted.items() if key not in self._opportunities and self._is_open(key)]
        parties = [self._parties[wanted.key]["id"] for wanted in new]
        rows = [made.new_opportunity(wanted, party) for wanted, party in zip(new, parties, strict=True)]
        ids = self._create("sale.opportunity", rows)
        for wanted, opportunity in zip(new, ids, strict=True):
            self._opportunities[wanted.key] = {"id": opportunity, "state": "lead"}
            self._made.add(wanted.key)

    def _opportunity_changes(self, wanted: Wanted, opportunity: dict[str, Any]) -> dict[str, Any]:
        changes = made.opportunity_changes(wanted, opportunity)
        if opportunity.get("party") is None:  # its party was deleted
            changes["party"] = self._parties[wanted.key]["id"]
        return changes

    def _search(self, model: str, domain: list[Any], fields: list[str]) -> list[dict[str, Any]]:
        found = self._account.read(f"{model}.search_read", domain, 0, None, [["id", "ASC"]], fields)
        if not isinstance(found, list) or not all(isinstance(entry, dict) and _have_ids(entry) for entry in found):
            raise TransientError(f"{self._account.name}: the answer to a search of {model} cannot be read")
        return found

    def _create(self, model: str, rows: list[dict[str, Any]]) -> list[int]:
        if not rows:
            return []
        ids = self._account.write(f"{model}.create", rows, values=self._values)
        if not isinstance(ids, list) or len(ids) != len(rows) or not all(isinstance(new_id, int) for new_id in ids):
            # Which is whose is not known; the next write finds them by their keys.
            raise TransientError(f"{self._account.name}: the answer to a create of {model} lacks ids")
        return ids

    def _change(self, model: str, known: dict[str, dict[str, Any]], changes_of: _ChangesOf) -> None:
        pairs: list[Any] = []
        for key, entry in known.items():
            if (
                key not in self._taken
                and not entry.get("is_foreign")
                and (values := changes_of(self._wanted[key], entry))
            ):
                pairs += ([entry["id"]], values)
        if pairs:
            self._account.write(f"{model}.write", *pairs, values=self._values)

    def _is_open(self, key: str) -> bool:
        """Whether its opportunity may be made or changed."""
        known = self._opportunities.get(key)
        return key not in self._erased | self._gone | self._taken and (
            known is None or known.get("state") in made.OPEN_STATES
        )

    def _result(self, record: Record) -> WriteResult:
        if record.key in self._gone:
            return WriteResult(record.key, "retry", code="record_gone", message="its party is not there any more")
        if record.key in self._taken:
            return WriteResult(record.key, "retry", code="key_taken", message="another party's opportunity has our id")
        if record.key in self._erased:
            return WriteResult(record.key, "rejected", code="party_erased", message=_ERASED)
        is_open = self._is_open(record.key)
        return WriteResult(
            record.key,
            "written",
            crm_id=str(self._opportunities[record.key]["id"]),
            created=record.key in self._made,
            code=None if is_open else "opportunity_closed",
            message=None if is_open else _CLOSED,
        )


def _have_ids(value: Any) -> bool:
    """Whether each record of a search's answer, and each one read along with it, says which it is."""
    if isinstance(value, list):
        return all(isinstance(entry, dict) and _have_ids(entry) for entry in value)
    if not isinstance(value, dict):
        return value is None
    return isinstance(value.get("id"), int) and all(
        _have_ids(related) for name, related in value.items() if name.endswith(".")
    )


DESTINATION = DestinationType(
    kind="tryton",
    title="Tryton",
    docs_url="https://docs.tryton.org/latest/server/topics/remote_procedure_call.html",
    open=TrytonWriter,
    batch_size=BATCH_SIZE,
    calls_per_second=12.0,  # two writes of six requests each
    burst=12,
    calls_per_write=6,
    options=(
        Option("company", "integer", at_least=1, help="the id of the company that leads are for; not set: the user's"),
        Option("database", help="the name of Tryton's database"),
    ),
    secrets=("password", "user"),
)
