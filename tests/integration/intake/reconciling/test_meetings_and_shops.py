"""Sources whose lists are laid out in ways of their own: bookings that are several contacts of one person, a shop at an
address of its own, webinars whose guests are listed without a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.kit import sources
from connectors.kit.sources.reconciling.declared import reconcile_of
from connectors.kit.sources.samples import pulled_of
from connectors.kit.token_server import Granted
from pipeline.access.tokens import digest_of, keep
from pipeline.inspection.access.connections import begin_connecting, read_connections
from pipeline.inspection.polling.reconciled import read_completeness, read_reconciles
from pipeline.intake.reconciling.runs import due_reconciles, run_reconcile
from pipeline.store.engine import transaction
from tests.support.command_line import work
from tests.support.intake_server import Receiver, count_events, running_receiver
from tests.support.listed_posts import TOKEN, days_ago, listing
from tests.support.paged_api import Asked, PagedApi
from tests.support.posted_sources import SECRET, people, post, touches
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")
ORGANIZATION = "https://api.calendly.com/organizations/AAA"
EVENTS = "https://api.calendly.com/scheduled_events"


class Calendly(PagedApi):
    """Bookings of one person, all of one kind of meeting."""

    def book(self, number: int, *, before: int | None = None) -> dict[str, Any]:
        """Gives the post of a booking, which is listed from now on. `before`: the one that it takes the place of."""
        pulled = next(pulled for pulled in pulled_of("calendly") if pulled.name == "typical")
        invitee, meeting = copy.deepcopy((pulled.answer["collection"][0], pulled.parents[0]))
        made_at = (days_ago(1) + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        meeting |= {"uri": f"{EVENTS}/EV{number}", "start_time": days_ago(-number).strftime("%Y-%m-%dT%H:%M:%SZ")}
        invitee |= {"uri": f"{EVENTS}/EV{number}/invitees/IN{number}", "created_at": made_at, "updated_at": made_at}
        invitee["old_invitee"] = f"{EVENTS}/EV{before}/invitees/IN{before}" if before else None
        self.lists.setdefault("/scheduled_events", []).append(meeting)
        self.lists[f"/scheduled_events/EV{number}/invitees"] = [invitee]
        return {"event": "invitee.created", "created_at": made_at, "payload": {**invitee, "scheduled_event": meeting}}

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(asked)
        body = {"collection": self.lists[asked.path], "pagination": {"next_page_token": None}}
        return 200, {}, json.dumps(body).encode()


@pytest.fixture
def calendly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calendly]:
    api = Calendly()
    monkeypatch.setenv("CALENDLY_SIGNING_KEY", SECRET)
    with listing(api, "calendly", tmp_path, monkeypatch, reconcile={"organization": ORGANIZATION}):
        yield api


@pytest.fixture
def receiver(calendly: Calendly) -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


def reconcile() -> tuple[int, int, int]:
    """Asks once; gives what it counted for yesterday."""
    report = run_reconcile("calendly", "default", at_once=True)
    assert report.poll.error is None
    (row,) = [row for row in read_completeness("calendly", since=days_ago(1).date()) if row.day == days_ago(1).date()]
    return row.expected, row.received, row.recovered


def test_a_further_booking_of_somebody_known_that_got_lost_is_a_further_touch(calendly: Calendly, receiver: Receiver):
    posted, *_ = calendly.book(1), calendly.book(2), calendly.book(3)
    assert post(receiver, "calendly", posted).status_code == 200
    assert reconcile() == (3, 1, 2)
    work()
    assert (len(people()), len(touches()), count_events("calendly")) == (1, 3, 3)
    assert reconcile() == (3, 1, 2)
    assert count_events("calendly") == 3


def test_bookings_are_looked_for_by_when_they_take_place_and_in_the_organization(calendly: Calendly):
    calendly.book(1)
    reconcile()
    asked = calendly.asked[0]
    assert (asked.path, asked.query["organization"]) == ("/scheduled_events", ORGANIZATION)
    assert asked.query["min_start_time"].startswith((days_ago(3)).date().isoformat())
    assert "max_start_time" not in asked.query


def test_the_post_of_a_booking_that_was_found_makes_no_further_touch(calendly: Calendly, receiver: Receiver):
    posted = calendly.book(1)
    assert reconcile() == (1, 0, 1)
    work()
    posted["payload"]["timezone"] = "Europe/Lisbon"  # in other words than the list's
    posted["payload"]["name"] = "Ada B. Sample"
    assert post(receiver, "calendly", posted).status_code == 200
    work()
    assert (len(people()), len(touches())) == (1, 1)


def test_a_booking_that_is_posted_after_another_one_was_found_is_not_taken_for_it(
    calendly: Calendly, receiver: Receiver
):
    calendly.book(1)
    assert reconcile() == (1, 0, 1)
    assert post(receiver, "calendly", calendly.book(2)).status_code == 200
    work()
    assert (len(people()), len(touches())) == (1, 2)
    assert reconcile() == (2, 1, 1)


def test_a_meeting_that_was_moved_is_one_lead_though_both_posts_got_lost(calendly: Calendly, receiver: Receiver):
    calendly.book(1)
    calendly.book(2, before=1)
    assert reconcile() == (2, 0, 2)
    work()
    assert (len(people()), len(touches())) == (1, 1)


def test_of_a_person_whose_bookings_were_deleted_here_none_comes_back(calendly: Calendly):
    calendly.book(1)
    reconcile()
    with transaction() as connection:
        connection.exec_driver_sql("DELETE FROM events")
    calendly.book(2)
    assert reconcile()[0] == 2
    assert count_events("calendly") == 0


def test_a_shop_is_asked_at_its_own_address_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "afluente.yaml").write_text("{}")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    monkeypatch.setenv("SHOPIFY_TOKEN", TOKEN)
    forget_caches()
    assert due_reconciles() == []
    (state,) = read_reconciles("shopify")
    assert "sources.shopify.url" in (state.why_not or "")
    assert "https://acme.myshopify.com" in (state.why_not or "")


def test_orders_and_customers_of_a_shop_are_asked_for_if_both_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pulled = next(pulled for pulled in pulled_of("shopify") if pulled.name == "typical")
    (order,) = copy.deepcopy(pulled.answer["data"]["orders"]["nodes"])
    at = days_ago(1).strftime("%Y-%m-%dT%H:%M:%SZ")
    order |= {"createdAt": at, "updatedAt": at}
    customer = {**order["customer"], "createdAt": at, "updatedAt": at, "defaultAddress": order["billingAddress"]}

    def nodes(name: str, *found: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        page = {"nodes": found, "pageInfo": {"hasNextPage": False, "endCursor": None}}
        return 200, {}, json.dumps({"data": {name: page}}).encode()

    api = PagedApi(answers=[nodes("orders", order), nodes("customers", customer)])
    lists = {"lists": "orders,customers"}
    with listing(api, "shopify", tmp_path, monkeypatch, reconcile=lists):
        report = run_reconcile("shopify", "default", at_once=True)
        assert (report.poll.error, report.poll.accepted) == (None, 2)
        work()
        assert len(people()) == 1
    assert [asked.headers["X-Shopify-Access-Token"] for asked in api.asked] == [TOKEN, TOKEN]
    assert {asked.path for asked in api.asked} == {"/admin/api/2026-10/graphql.json"}
    filters = [asked.body["variables"]["asked"].partition(":")[0] for asked in api.asked]
    assert filters == ["created_at", "customer_date"]  # a filter that Shopify does not know gives everything


def test_a_source_that_posts_is_connected_to_be_asked_what_it_has_posted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "afluente.yaml").write_text(json.dumps({"sources": {"zoom_webinar": {}}}))
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    forget_caches()
    (state,) = read_reconciles("zoom_webinar")
    assert "ZOOM_WEBINAR_CLIENT_ID" in (state.why_not or "")
    assert read_connections("zoom_webinar") == []  # whoever does not want it is told nothing
    monkeypatch.setenv("ZOOM_WEBINAR_CLIENT_ID", "an-app")
    monkeypatch.setenv("ZOOM_WEBINAR_CLIENT_SECRET", "its-secret")
    forget_caches()
    asked = begin_connecting("zoom_webinar")
    assert asked.address.startswith("https://zoom.us/oauth/authorize?")
    assert "client_id=an-app" in asked.address
    granted_for = digest_of(reconcile_of(sources()["zoom_webinar"]).poll.auth, "zoom_webinar")
    with transaction() as connection:
        given = Granted("a-token", "to-renew")
        keep(connection, "default", "zoom_webinar", given, granted_for, refresh_token="to-renew", is_connected=True)
    assert [state.state for state in read_connections("zoom_webinar")] == ["connected"]


def test_a_webinar_that_nobody_has_to_register_for_is_no_list_that_was_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pulled = next(pulled for pulled in pulled_of("zoom_webinar") if pulled.name == "typical")
    (registrant,) = copy.deepcopy(pulled.answer["registrants"])
    registrant["create_time"] = days_ago(1).strftime("%Y-%m-%dT%H:%M:%SZ")
    webinars = [pulled.parents[0], {**pulled.parents[0], "id": 82000000000, "uuid": "another"}]
    said = [
        (200, {"webinars": webinars, "next_page_token": ""}),
        (200, {"registrants": [registrant], "next_page_token": ""}),
    ]
    without = {"code": 404, "message": "Registration has not been enabled for this webinar."}
    expired = {"code": 3001, "message": "Webinar 82000000000 not found or has expired."}
    foreign = {"code": 1010, "message": "User does not belong to this account."}
    last = ((404, without, True), (400, without, True), (404, expired, True), (400, foreign, False), (400, {}, False))
    for status, refusal, read in last:  # the code 404 comes with either status, by what Zoom says of its calls
        said[2:] = [(status, refusal)]
        api = PagedApi(answers=[(code, {}, json.dumps(content).encode()) for code, content in said])
        with listing(api, "zoom_webinar", tmp_path, monkeypatch):
            report = run_reconcile("zoom_webinar", "default", at_once=True)
        assert (report.poll.error is None, bool(report.days)) == (read, read)
    assert count_events("zoom_webinar") == 1


def test_a_registration_is_known_again_after_its_webinar_was_held():
    connector = sources()["zoom_webinar"]
    pulled = next(pulled for pulled in pulled_of("zoom_webinar") if pulled.name == "typical")
    pushed = reconcile_of(connector).pushed
    names = set()
    for uuid in ("uSample01==", "of the next one=="):  # Zoom gives a webinar another one once it was held
        parents = [{**pulled.parents[0], "uuid": uuid}, pulled.parents[1]]
        names.add(connector.prepare(pushed(dict(pulled.answer["registrants"][0]), parents))["record"])
    assert names == {"webinar.registration_created 81234567890 rgSample01"}
