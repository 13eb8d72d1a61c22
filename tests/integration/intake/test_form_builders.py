"""Form builders over real sockets: only who is proven gets in, and each response is one lead however often it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from connectors.kit import SharedSecret, sources
from connectors.kit.sources.samples import Sample, samples_of
from pipeline.settings.loading import load_settings
from pipeline.store.engine import transaction
from pipeline.store.people import people as people_rows
from tests.support.command_line import work
from tests.support.identity_rows import rows
from tests.support.intake_server import Receiver, count_events, running_receiver, stored_events

BUILDERS = ["typeform", "tally", "jotform", "contact_form_7", "gravity_forms", "elementor", "google_forms"]
SHOWN = ["jotform", "contact_form_7", "gravity_forms", "elementor"]
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


@pytest.fixture
def receiver(database, monkeypatch) -> Iterator[Receiver]:
    for source in BUILDERS:
        monkeypatch.setenv(f"{source.upper()}_SECRET", SECRET)
    with running_receiver(load_settings()) as running:
        yield running


def typical(source: str) -> Sample:
    return samples_of(source)[0]


def send(receiver: Receiver, source: str, *, body: bytes | None = None, secret: str = SECRET, suffix: str = "", **more):
    """Post as the builder does, with its proof."""
    sample = typical(source)
    body = sample.body if body is None else body
    scheme = sources()[source].intake.signature
    proof = {} if more.pop("is_bare", False) else scheme.sign(secret=secret, body=body, message_id="m", now=time.time())
    headers = {"Content-Type": sample.content_type, **proof, **more}
    return receiver.post(f"/in/default/{source}{suffix}", data=body, headers=headers)


@pytest.mark.parametrize("source", BUILDERS)
def test_a_response_is_stored_and_a_second_delivery_changes_nothing(receiver, source):
    first, second = send(receiver, source), send(receiver, source)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.headers["Afluente-Events"] == second.headers["Afluente-Events"]
    assert count_events(source) == 1


@pytest.mark.parametrize("source", BUILDERS)
def test_who_proves_nothing_is_refused(receiver, source):
    assert send(receiver, source, is_bare=True).status_code == 401
    other = "whsec_YW5vdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMgdG9v"
    assert send(receiver, source, secret=other).status_code == 401
    assert count_events(source) == 0


@pytest.mark.parametrize("source", BUILDERS)
def test_a_builder_that_looks_whether_the_address_is_there_is_told_that_it_takes_posts(receiver, source):
    answer = receiver.get(f"/in/default/{source}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("source", ["typeform", "tally", "google_forms"])
def test_a_body_that_was_altered_on_its_way_is_refused(receiver, source):
    body = typical(source).body
    signed = sources()[source].intake.signature.sign(secret=SECRET, body=body, message_id="m", now=time.time())
    assert send(receiver, source, body=body.replace(b"Ada", b"Eve"), is_bare=True, **signed).status_code == 401
    assert send(receiver, source, body=body, is_bare=True, **signed).status_code == 200


@pytest.mark.parametrize("source", SHOWN)
def test_a_builder_without_headers_shows_its_secret_in_the_address(receiver, source):
    assert send(receiver, source, is_bare=True, suffix=f"?secret={SECRET}x").status_code == 401
    assert send(receiver, source, is_bare=True, suffix=f"?secret={quote(SECRET)}").status_code == 200
    assert count_events(source) == 1


@pytest.mark.parametrize("source", SHOWN)
def test_a_secret_that_is_shown_is_stored_nowhere(receiver, source):
    send(receiver, source, suffix=f"?secret={SECRET}")
    (event,) = stored_events(source)
    assert isinstance(sources()[source].intake.signature, SharedSecret)
    assert SECRET not in repr((event.envelope.headers, event.envelope.origin, event.envelope.body))


def test_a_signed_builder_takes_no_secret_in_the_address(receiver):
    assert send(receiver, "typeform", is_bare=True, suffix=f"?secret={SECRET}").status_code == 401


def test_the_page_of_the_api_says_how_each_builder_proves_itself(receiver):
    page = receiver.get("/docs").text
    for source in BUILDERS:
        row = next(row for row in page.split("<tr>") if f"/in/default/{source}<" in row)
        assert ("a secret that is shown" in row) == (source in SHOWN)


def test_without_a_secret_nothing_is_taken_and_it_may_be_sent_again(database):
    with running_receiver(load_settings()) as receiver:
        assert send(receiver, "jotform").status_code == 503


def test_another_contact_with_the_same_words_is_one_of_its_own_where_the_form_tells_its_time(receiver):
    later = {
        "elementor": (b"March+2%2C+2026", b"March+9%2C+2026"),
        "contact_form_7": (b"March 2, 2026", b"March 9, 2026"),
    }
    for source, (then, now) in later.items():
        body = typical(source).body
        assert then in body
        send(receiver, source)
        send(receiver, source, body=body.replace(then, now))
        assert count_events(source) == 2


def test_what_a_visitor_has_no_part_in_makes_no_second_contact(receiver):
    body = json.loads(typical("contact_form_7").body)
    send(receiver, "contact_form_7")
    send(receiver, "contact_form_7", body=json.dumps({**body, "_remote_ip": "203.0.113.77"}).encode())
    assert count_events("contact_form_7") == 1


def test_an_edited_answer_of_google_forms_is_a_revision_of_the_former_one(receiver):
    body = typical("google_forms").body
    first = send(receiver, "google_forms")
    second = send(receiver, "google_forms", body=body.replace(b"Logistics", b"Retail"))
    assert first.headers["Afluente-Events"] != second.headers["Afluente-Events"]
    assert count_events("google_forms") == 2


def known_people() -> list[dict[str, object]]:
    with transaction() as connection:
        ids = connection.exec_driver_sql("SELECT person_id FROM people WHERE merged_into IS NULL").scalars()
        found = people_rows.read_people(connection, set(ids), lock=False)
    return [person.profile.values() for person in found.values()]


def test_who_fills_in_forms_of_all_builders_is_one_person_with_a_touch_of_each(receiver):
    for source in BUILDERS:
        send(receiver, source)
    work()
    (person,) = known_people()
    assert (person["email"], person["company"], person["phone"]) == (
        "ada.brandt@example.org",
        "Brandt GmbH",
        "+493023125041",
    )
    assert rows("SELECT count(*) FROM touches") == [(len(BUILDERS),)]
    assert rows("SELECT state, count(*) FROM events GROUP BY state") == [("settled", len(BUILDERS))]


@pytest.mark.parametrize("is_sent_first", [False, True])
def test_a_typeform_that_was_left_and_then_sent_is_one_lead_in_whatever_order_they_come(receiver, is_sent_first):
    left = json.loads(typical("typeform").body)
    left["event_type"] = "form_response_partial"
    bodies = [json.dumps(left).encode(), typical("typeform").body]
    for body in reversed(bodies) if is_sent_first else bodies:
        assert send(receiver, "typeform", body=body).status_code == 200
        work()
    (person,) = known_people()
    assert person["email"] == "ada.brandt@example.org"
    assert rows("SELECT count(*) FROM touches") == [(1,)]


def test_a_typeform_that_was_only_left_is_nobody(receiver):
    left = json.loads(typical("typeform").body)
    left["event_type"] = "form_response_partial"
    send(receiver, "typeform", body=json.dumps(left).encode())
    work()
    assert known_people() == []
    assert rows("SELECT state, reason FROM events") == [("suppressed", "no_consent")]
