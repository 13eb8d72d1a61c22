"""Windows of time as each provider reads them by its own documentation: whole days, a shop's own clock, a most of
results."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.kit.sources.samples import pulled_of
from pipeline.intake.reconciling.runs import run_reconcile
from tests.support.intake_server import count_events
from tests.support.listed_posts import days_ago, listing
from tests.support.paged_api import Asked, PagedApi

pytestmark = pytest.mark.usefixtures("database", "redis_url")


def listed(source: str, at: str) -> dict[str, Any]:
    """The record of the typical list."""
    return copy.deepcopy(next(pulled for pulled in pulled_of(source) if pulled.name == "typical").answer[at][0])


class Intercom(PagedApi):
    """Its search reads a time as the beginning of that day of UTC."""

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(asked)
        contacts = [contact for contact in self.records if self._is_asked_for(contact, asked.body["query"]["value"])]
        return 200, {}, json.dumps({"data": contacts, "pages": {"next": None}}).encode()

    @staticmethod
    def _is_asked_for(contact: dict[str, Any], filters: list[dict[str, Any]]) -> bool:
        day = contact["created_at"] // 86_400
        compare = {">": day.__gt__, "<": day.__lt__}
        return all(compare[rule["operator"]](rule["value"] // 86_400) for rule in filters)


def test_a_contact_of_today_is_found_though_intercom_compares_whole_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    api = Intercom()
    for number, made_at in enumerate((days_ago(0), days_ago(1), days_ago(2), days_ago(3) - timedelta(hours=1))):
        moment = min(made_at, datetime.now(UTC) - timedelta(seconds=2))
        api.records.append(listed("intercom", "data") | {"id": f"c{number}", "created_at": int(moment.timestamp())})
    with listing(api, "intercom", tmp_path, monkeypatch, reconcile={"grace_seconds": 0, "roles": "lead,user"}):
        report = run_reconcile("intercom", "default", at_once=True)
    assert (report.poll.error, count_events("intercom")) == (None, 3)


class Shop(PagedApi):
    """WordPress reads a time that names its zone on the shop's own clock, and one that names none as it stands; both
    are compared with what is kept in UTC, if that is asked for."""

    zone = ZoneInfo("America/Los_Angeles")

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(asked)
        assert asked.query["dates_are_gmt"] == "true"
        after, before = (self._read(asked.query[name]) for name in ("after", "before"))
        orders = [order for order in self.records if after < datetime.fromisoformat(order["date_created_gmt"]) < before]
        start = (int(asked.query["page"]) - 1) * int(asked.query["per_page"])
        return 200, {}, json.dumps(orders[start : start + int(asked.query["per_page"])]).encode()

    def _read(self, text: str) -> datetime:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(self.zone).replace(tzinfo=None) if moment.tzinfo else moment


def test_an_order_of_the_last_hours_is_found_in_a_shop_that_lives_behind_utc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (order,) = copy.deepcopy(next(pulled for pulled in pulled_of("woocommerce") if pulled.name == "typical").answer)
    made_at = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S")
    api = Shop(records=[order | {"date_created_gmt": made_at, "date_modified_gmt": made_at}])
    monkeypatch.setenv("WOOCOMMERCE_KEY", "ck")
    monkeypatch.setenv("WOOCOMMERCE_KEY_SECRET", "cs")
    with listing(api, "woocommerce", tmp_path, monkeypatch):
        report = run_reconcile("woocommerce", "default", at_once=True)
    assert (report.poll.error, count_events("woocommerce")) == (None, 1)


def test_more_contacts_than_hubspot_gives_to_one_search_leave_no_day_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    contact = listed("hubspot_events", "results")
    contact["properties"]["createdate"] = days_ago(1).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    page = {"total": 10_001, "results": [contact], "paging": {"next": {"after": "10000"}}}
    refusal = {"status": "error", "message": "paging beyond 10,000 is not supported", "category": "VALIDATION_ERROR"}
    api = PagedApi(answers=[(200, {}, json.dumps(page).encode()), (400, {}, json.dumps(refusal).encode())])
    with listing(api, "hubspot_events", tmp_path, monkeypatch):
        report = run_reconcile("hubspot_events", "default", at_once=True)
    assert "400" in (report.poll.error or "")
    assert (report.days, count_events("hubspot_events")) == ({}, 1)
    assert api.asked[1].body["after"] == "10000"
