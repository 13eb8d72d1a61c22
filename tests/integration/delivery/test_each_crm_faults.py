"""People through the sender into each kind of CRM, that of a stranger too, over a line that fails as CRMs and the net
between do: as many records as people, none twice, none lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.sandbox.dialects import dialects
from connectors.sandbox.server import Sandbox
from pipeline.delivery.sender import deliver
from pipeline.store.engine import transaction
from tests.integration.delivery.test_sender import change, deliver_until, make_due_now, make_people, rows, states
from tests.support.faulty_line import FAULTS, PATIENCE_SECONDS, FaultyLine
from tests.support.heron import Heron
from tests.support.services import forget_caches
from tests.support.strangers_crm import strangers_crm

STRANGER = "heron"
KINDS = (*sorted(dialects()), STRANGER)
TOLD_BY_PLACE = {"salesforce"}  # its answers name no key: in another order nobody could tell them apart
IN_EACH_RUN = {("hubspot", "429_with_seconds"), ("hubspot", "done_and_cut")}
COSTS_NO_TRY = {"429_with_seconds", "429_with_a_date", "429_alone"}
LOCKS = {"salesforce": "UNABLE_TO_LOCK_ROW", "hubspot": "LOCKED", "dataverse": "0x80044151"}
REFUSALS = {
    "salesforce": {
        "length": ("STRING_TOO_LONG", "City"),
        "picklist": ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Industry"),
        "required": ("REQUIRED_FIELD_MISSING", "Company"),
    },
    "hubspot": {
        "length": ("INVALID_LENGTH", "city"),
        "picklist": ("INVALID_OPTION", "industry"),
        "required": ("REQUIRED_FIELD", "lastname"),
    },
    "dataverse": {
        "length": ("0x80044331", "jobtitle"),
        "picklist": ("0x8004431a", "leadqualitycode"),
        "required": ("0x80040203", "lastname"),
    },
}


class Account:
    """One account behind a faulty line. `records`: the CRM's own ids by our key, as the CRM has them."""

    def __init__(self, kind: str, line: FaultyLine, records: Callable[[], list[tuple[str, str]]], redis) -> None:
        self.kind, self.line, self.records = kind, line, records
        self.sandbox: Sandbox | None = None
        self.stranger: Heron | None = None
        self._redis = redis

    def end_waits(self) -> None:
        """As if every wait for a quota, a breaker or the next try were over."""
        self._redis.flushall()
        make_due_now()

    def order(self, *faults: str, rate: float = 0.5) -> None:
        self.line.faults, self.line.rate = tuple(FAULTS[name] for name in faults), rate

    def deliver_under_faults(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            deliver("crm", "bulk", budget_seconds=0.5)
            self.end_waits()

    def deliver_the_rest(self, seconds: float = 60.0) -> None:
        self.line.faults = ()

        def is_done() -> bool:
            self.end_waits()
            return not states().keys() & {"due", "in_flight"}

        deliver_until(is_done, seconds=seconds)

    def companies(self) -> set[str]:
        """What the CRM has as the company of anybody."""
        if self.sandbox is None:
            return {person["attributes"]["employer"] for person in self.stranger.people.values()}
        named = ("Company", "company", "companyname")
        return {
            value
            for record in self.sandbox.records.stream()
            for name, value in record["fields"].items()
            if name in named
        }

    def keys(self) -> list[str]:
        return sorted(key for key, _ in self.records())


@contextlib.contextmanager
def opened_account(kind: str, folder, patch, redis, *, batch_size: int = 10) -> Iterator[Account]:
    with contextlib.ExitStack() as opened:
        if kind == STRANGER:
            heron = opened.enter_context(contextlib.contextmanager(strangers_crm)(folder, patch))
            line = opened.enter_context(FaultyLine(heron.url))
            account = Account(kind, line, lambda: [(key, one["id"]) for key, one in heron.people.items()], redis)
            account.stranger = heron
            secrets = {"client_id": "env:HERON_CLIENT_ID", "client_secret": "env:HERON_CLIENT_SECRET"}
        else:
            sandbox = opened.enter_context(Sandbox(port=0, state=folder / "crm.sqlite", dialect=kind))
            line = opened.enter_context(FaultyLine(sandbox.address, keeps_host=True))

            def records() -> list[tuple[str, str]]:
                named = sandbox.dialect.record_id
                return [
                    (record["external_id"], named(record["id"], record["object"]))
                    for record in sandbox.records.stream()
                ]

            account = Account(kind, line, records, redis)
            account.sandbox = sandbox
            secrets = {}
        destination = {"kind": kind, "base_url": line.url, "secrets": secrets, "timeout_seconds": 20.0}
        if kind == "salesforce":  # jobs have tests of their own: who is killed within a step keeps one for minutes
            destination["options"] = {"bulk_above": 0}
        pace = {"calls_per_second": 200, "burst": 50, "batch_size": batch_size}
        configure(folder, destination | pace)
        patch.setenv("AFLUENTE_CONFIG", str(folder / "afluente.yaml"))
        forget_caches()
        yield account


def configure(folder, destination) -> None:
    document = {"destinations": {"crm": destination}, "tuning": {"delivery_linger_seconds": 0.0}}
    (folder / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture(params=KINDS)
def account(request, database, redis_client, tmp_path, monkeypatch) -> Iterator[Account]:
    with opened_account(request.param, tmp_path, monkeypatch, redis_client) as opened:
        yield opened


def _cases() -> Iterator[Any]:
    """Every fault at every kind: at one kind a wait and a record made but never told in each run, the rest in a long
    one."""
    for kind in KINDS:
        for fault in FAULTS:
            marks = () if (kind, fault) in IN_EACH_RUN else pytest.mark.long
            yield pytest.param(kind, fault, marks=marks, id=f"{kind}-{fault}")


@pytest.mark.parametrize(("account", "fault"), list(_cases()), indirect=["account"])
def test_each_fault_leaves_as_many_records_as_people(account, fault, tmp_path):
    if fault == "other_order" and account.kind in TOLD_BY_PLACE:
        pytest.skip("answers of this kind carry no key of ours")
    if fault == "late_answer":
        written = json.loads((tmp_path / "afluente.yaml").read_text(encoding="utf-8"))["destinations"]["crm"]
        configure(tmp_path, written | {"timeout_seconds": PATIENCE_SECONDS})
        forget_caches()
    people = make_people(50)
    account.order(fault)
    account.deliver_under_faults()
    assert account.line.struck, "nothing was spoiled"
    if fault in COSTS_NO_TRY:
        assert {attempts for (attempts,) in rows("attempts")} == {0}
    account.deliver_the_rest()
    expected = sorted(str(person.person_id) for person in people)
    assert account.keys() == expected
    assert states() == {"sent": 50}
    assert sorted(rows("person_id::text, external_id")) == sorted(account.records())
    change(people[0], company="Another")
    account.deliver_the_rest()
    assert account.keys() == expected, "a change made a second record"


def test_a_lock_is_tried_again_and_ends_in_a_record(account):
    if account.kind not in LOCKS:
        pytest.skip("nobody says how this kind words a lock")
    people = make_people(60)
    account.sandbox._order_faults(json.dumps({"record_error": {"code": LOCKS[account.kind], "rate": 0.4}}).encode())
    account.deliver_under_faults(2)
    assert "quarantined" not in states()
    account.sandbox._order_faults(b"{}")
    account.deliver_the_rest()
    assert account.keys() == sorted(str(person.person_id) for person in people)
    assert states() == {"sent": 60}


@pytest.mark.short(5)
@pytest.mark.parametrize("reason", ["length", "picklist", "required"])
def test_who_is_refused_waits_for_a_human_with_code_and_field_and_the_others_are_written(account, reason):
    if account.kind not in REFUSALS:
        pytest.skip("nobody says how this kind words a refusal")
    make_people(60)
    code, field = REFUSALS[account.kind][reason]
    fault = {"record_error": {"code": code, "field": field, "rate": 0.2}}
    account.sandbox._order_faults(json.dumps(fault).encode())
    deliver("crm", "bulk", budget_seconds=10)
    account.sandbox._order_faults(b"{}")
    account.deliver_the_rest()
    found = states()
    assert found.keys() == {"sent", "quarantined"}
    assert sum(found.values()) == 60
    assert len(account.records()) == found["sent"]
    with transaction() as connection:
        codes = connection.exec_driver_sql("SELECT DISTINCT code FROM quarantine WHERE stage = 'deliver'").all()
    assert [tuple(one) for one in codes] == [(code,)]
