"""People through the sender, with the quota of the account counted: what is called was granted, and what is granted is
shared by whoever uses the account."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.dialects import dialects
from connectors.sandbox.server import Sandbox
from pipeline.delivery.accounts import quota_of
from pipeline.delivery.governor import Governor, WindowState
from pipeline.delivery.sender import deliver
from pipeline.delivery.shared_state import shared_redis
from pipeline.delivery.standing import read_standings, why_quota_waits
from pipeline.errors import ConfigurationError
from pipeline.inspection.destinations import list_destinations
from pipeline.inspection.waiting import why_destination_waits
from pipeline.settings.loading import settings
from pipeline.store.deliveries.deliveries import want_deliveries
from pipeline.store.engine import transaction
from tests.integration.delivery.test_sender import Crm, deliver_until, make_people, states
from tests.support.hubspot_crm import by_hand, make_contact
from tests.support.services import forget_caches

WIDE = {"calls": 100_000, "seconds": 3600}


@pytest.fixture
def start(database, redis_url, tmp_path, monkeypatch) -> Iterator[Callable[[str], Crm]]:
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    sandboxes: list[Sandbox] = []

    def open_crm(kind: str, **destination: Any) -> Crm:
        sandbox = Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect=kind)
        sandboxes.append(sandbox.__enter__())
        crm = Crm(sandbox, tmp_path / "afluente.yaml")
        crm.configure(kind=kind, **destination)
        return crm

    yield open_crm
    for sandbox in sandboxes:
        sandbox.__exit__()


def configure_both(crm: Crm, config: Path, **destination: Any) -> None:
    """Two destinations of one account of Salesforce."""
    known = {"kind": "salesforce", "base_url": crm.address, "calls_per_second": 200, "burst": 50, "account": "company"}
    document = {
        "destinations": {"crm": known | destination, "crm_too": known},
        "tuning": {"delivery_linger_seconds": 0.0},
    }
    config.write_text(json.dumps(document), encoding="utf-8")
    forget_caches()


def want_in(destination: str, people: list) -> None:
    with transaction() as connection:
        want_deliveries(connection, [(destination, person.person_id, "bulk") for person in people])


def counted(account: str = "crm", name: str = "wide") -> WindowState:
    state = Governor(shared_redis(settings().broker_url)).state(account)
    return next(window for window in state.windows if window.name == name)


@pytest.mark.parametrize("kind", sorted(dialects()))
def test_as_many_calls_are_counted_as_each_kind_of_crm_gets(kind, start):
    crm = start(kind, batch_size=10, windows={"wide": WIDE})
    make_people(40)
    deliver_until(lambda: states() == {"sent": 40})
    assert counted().own == crm.calls() == 4
    assert counted().others == 0


def test_a_write_that_links_contacts_is_charged_for_all_four_of_its_calls(start):
    crm = start("hubspot", batch_size=10, windows={"wide": WIDE})
    by_hand(crm, "POST", "/crm/v3/properties/contacts", UNIQUE)
    make_contact(crm, email="person0@example.com")
    make_contact(crm, email="person1@example.com", afluente_id="somebody-else")
    by_others = crm.calls()
    make_people(10)
    deliver_until(lambda: states() == {"sent": 9, "quarantined": 1})
    assert crm.calls() - by_others == 4
    assert counted().own == 4


UNIQUE = {
    "name": "afluente_id",
    "label": "Afluente",
    "type": "string",
    "fieldType": "text",
    "groupName": "contactinformation",
    "hasUniqueValue": True,
}


def test_a_call_made_again_with_a_new_token_is_charged_again(start):
    crm = start("salesforce", windows={"wide": WIDE})
    make_people(1)
    deliver_until(lambda: states() == {"sent": 1})
    crm.order(token_seconds=0.05)
    make_people(1)
    deliver_until(lambda: states() == {"sent": 2})
    assert counted().own == crm.calls()


def test_calls_that_were_granted_and_not_needed_are_given_back(start):
    start("salesforce", windows={"wide": WIDE})
    for lane in ("bulk", "hot", "bulk"):
        deliver("crm", lane, budget_seconds=0.1)
    assert counted().own == 0


def test_two_destinations_of_one_account_share_its_windows(start, tmp_path):
    crm = start("salesforce")
    windows = {"wide": {"calls": 3, "seconds": 3600}}
    configure_both(crm, tmp_path / "afluente.yaml", batch_size=1, windows=windows)
    people = make_people(5)
    want_in("crm_too", people)
    assert deliver("crm", "bulk", budget_seconds=2).sent == 3
    report = deliver("crm_too", "bulk", budget_seconds=1)
    assert report.sent == 0
    assert report.wait_seconds > 3000
    assert report.waits_for == "its quota: the window wide of account company is full"


def test_a_refusal_for_quota_stops_all_destinations_of_the_account(start, tmp_path):
    crm = start("salesforce")
    configure_both(crm, tmp_path / "afluente.yaml")
    want_in("crm_too", make_people(5))
    crm.order(daily_limit=1, status=429, retry_after=8)
    assert 7 < deliver("crm", "bulk", budget_seconds=2).wait_seconds <= 8
    crm.order()
    assert 6 < deliver("crm_too", "bulk", budget_seconds=2).wait_seconds <= 8
    assert crm.written()["written"] == 0


@pytest.mark.long
def test_a_day_that_is_used_up_is_told_and_ends_by_itself_without_costing_a_try(start):
    crm = start("salesforce", batch_size=1, windows={"day": {"calls": 4, "seconds": 4, "floor": 0}})
    make_people(6)
    deliver_until(lambda: states() == {"sent": 6})
    with transaction() as connection:
        assert connection.exec_driver_sql("SELECT max(attempts) FROM deliveries").scalar_one() <= 1
    assert crm.calls("4") == 0, "nothing was refused"


def test_status_list_and_the_story_of_a_lead_say_when_a_quota_goes_on(start):
    start("salesforce", batch_size=1, windows={"day": {"calls": 2, "seconds": 7200, "floor": 0}})
    make_people(3)
    assert deliver("crm", "hot", budget_seconds=1).sent == 0
    deliver("crm", "bulk", budget_seconds=1)
    said = why_destination_waits("crm") or ""
    assert "the quota of account crm is used up in the window day" in said
    (row,) = list_destinations()
    assert [(quota.window, quota.used, quota.limit, quota.others) for quota in row.quotas] == [("day", 2, 2, 0)]
    standing = read_standings(settings(), ["crm"])["crm"]
    assert standing.quota.full_seconds > 7000
    first, later = (re.fullmatch(r"(.*) in (\d+) s", text) for text in (said, why_quota_waits(standing) or ""))
    assert later[1] == first[1]
    assert 0 <= int(first[2]) - int(later[2]) <= 60  # what passed between the two readings


def test_what_another_application_uses_is_read_from_the_answers_and_left_to_it(start):
    crm = start("hubspot", batch_size=1)
    for _ in range(30):
        by_hand(crm, "GET", "/crm/v3/properties/contacts")
    make_people(3)
    deliver_until(lambda: states() == {"sent": 3})
    assert counted(name="ten_seconds").others >= 30
    assert counted(name="day").others >= 30


def test_the_strictest_limit_of_an_accounts_destinations_holds_for_all_of_them(start, tmp_path):
    crm = start("salesforce")
    windows = {"day": {"calls": 500, "reserve": 0.2}, "minute": {"calls": 9, "seconds": 60}}
    configure_both(crm, tmp_path / "afluente.yaml", windows=windows, calls_per_second=3)
    quota = quota_of("crm_too", settings())
    assert quota == quota_of("crm", settings())
    assert (quota.account, quota.rate) == ("company", 3)
    assert {window.name: (window.calls, window.seconds) for window in quota.windows} == {
        "day": (500, 86_400),
        "minute": (9, 60),
    }
    assert quota.windows[0].reserve == 0.2
    assert quota.windows[0].floor == 0.05, "as the kind declares"


def test_a_window_of_ones_own_without_its_length_is_told_by_its_path(start):
    start("hubspot", windows={"minute": {"calls": 9}})
    with pytest.raises(ConfigurationError, match=r"destinations\.crm\.windows\.minute\.seconds is not set") as told:
        quota_of("crm", settings())
    assert "hubspot has ten_seconds, day" in str(told.value)
    report = deliver("crm", "bulk", budget_seconds=1)
    assert "windows.minute.seconds" in (report.waits_for or "")
