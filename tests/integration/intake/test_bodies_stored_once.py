"""Webhook bodies kept as they came: several records in one body, what stands beside them, and `prepare` at map time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import orjson
import pytest

from connectors.kit import sources
from pipeline.inspection.recomputed import recompute
from pipeline.settings.loading import load_settings
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events import events
from tests.support.command_line import answer, capture, lines, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.intake_server import Receiver, count_events, quarantined, running_receiver, stored_events

pytestmark = pytest.mark.usefixtures("database", "redis_url")

WEBINAR = 'intake=Webhook(records_at="registrants"), event_id="registration_id"'
WEBINAR_MAPPING = """
lead:
  email: email
touch:
  event_name: ^.webinar.title
ignored: [registration_id, ^.delivery_id]
"""
WHATSAPP = 'intake=Webhook(records_at="entry[*].changes[*].value", formats=("json", "form"))'
WHATSAPP_MAPPING = """
lead:
  full_name: name
  email: email
touch:
  campaign_name: ^.field
  ad_id: ^.^.id
  form_name: ^.^.^.object
"""


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path, monkeypatch)


@pytest.fixture
def receiver(company) -> Iterator[Receiver]:
    company.declare("webinars", WEBINAR, WEBINAR_MAPPING)
    company.declare("whats", WHATSAPP, WHATSAPP_MAPPING)
    with running_receiver(load_settings(), connectors=sources()) as running:
        yield running


def person(number: int) -> dict[str, str]:
    return {"registration_id": f"r-{number}", "email": f"ada{number}@example.org"}


def webinar(*registrants: object, **more: object) -> dict[str, object]:
    whole = {"delivery_id": "d-1", "webinar": {"id": 7, "title": "Forty tables"}, "registrants": list(registrants)}
    return {**whole, **more}


def post(receiver: Receiver, source: str, body: object) -> int:
    return receiver.post(f"/in/default/{source}", json=body).status_code


def leads(source: str) -> list[dict[str, object]]:
    return lines("leads", "export", "--source", source)


def request_bodies() -> int:
    with transaction() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM request_bodies").scalar_one())


def test_what_stands_beside_the_list_is_mapped_kept_and_reported(receiver):
    assert post(receiver, "webinars", webinar(person(1), person(2))) == 200
    work()
    rows = leads("webinars")
    assert [(row["email"], row["event_name"]) for row in rows] == [
        (f"ada{number}@example.org", "Forty tables") for number in (1, 2)
    ]
    assert [row["custom"] for row in rows] == [{"^.webinar.id": 7}] * 2
    drift = answer("mapping", "drift")
    assert "^.webinar.id" in str(drift)


def test_a_body_of_several_records_is_stored_once_and_opened_once(receiver):
    assert post(receiver, "webinars", webinar(*map(person, range(40)))) == 200
    assert (count_events("webinars"), request_bodies()) == (40, 1)
    with transaction() as connection:
        ids = list(connection.exec_driver_sql("SELECT event_id FROM events").scalars())
        with count_statements() as seen:
            found = events.read_events(connection, ids)
    assert seen.count == 2
    assert len({id(event.request) for event in found}) == 1
    assert all(event.envelope.body == b"" for event in found)
    (whole,) = {event.request.envelope.body for event in found}
    assert orjson.loads(whole) == webinar(*map(person, range(40)))


def test_repeats_alone_store_no_body_again(receiver):
    body = webinar(person(1), person(2))
    for _ in range(3):
        assert post(receiver, "webinars", body) == 200
    assert (count_events("webinars"), request_bodies()) == (2, 1)
    assert post(receiver, "webinars", webinar(person(2), person(3))) == 200
    assert (count_events("webinars"), request_bodies()) == (3, 2)


def test_lists_in_lists_are_taken_apart_each_with_the_objects_around_it(receiver):
    change = {"field": "messages", "value": {"name": "Ada Sample", "email": "ada@example.org"}}
    other = {"field": "leadgen", "value": {"name": "Bo Sample", "email": "bo@example.org"}}
    body = {
        "object": "page",
        "entry": [{"id": "1", "changes": [change, other]}, {"id": "2", "changes": []}, {"id": "3"}],
    }
    assert post(receiver, "whats", body) == 200
    work()
    rows = [(row["email"], row["campaign_name"], row["ad_id"], row["form_name"]) for row in leads("whats")]
    assert rows == [("ada@example.org", "messages", "1", "page"), ("bo@example.org", "leadgen", "1", "page")]


@pytest.mark.parametrize("registrants", [[], None, [[]]])
def test_an_empty_list_is_no_lead_and_no_fault(receiver, registrants):
    assert post(receiver, "webinars", webinar() | {"registrants": registrants}) == 200
    assert count_events() == 0


def test_a_bad_entry_among_good_ones_waits_alone_with_its_place(receiver):
    assert post(receiver, "webinars", webinar(person(1), None, 7, "x", person(2))) == 200
    assert post(receiver, "webinars", webinar(person(1), None, 7, "x", person(2))) == 200
    work()
    assert [row["state"] for row in leads("webinars")].count("settled") == 2
    assert quarantined("webinars") == [
        ("not_an_object", "registrants[1]: one JSON object per lead is expected, not null"),
        ("not_an_object", "registrants[2]: one JSON object per lead is expected, not a number"),
        ("not_an_object", "registrants[3]: one JSON object per lead is expected, not a text"),
    ]


@pytest.mark.long
def test_a_bad_entry_among_hundreds_of_good_ones_is_told_for_what_it_is(company):
    company.declare(
        "many", 'intake=Webhook(records_at="rows", max_records=300), event_id="id"', "lead: {email: mail}\n"
    )
    rows = [{"id": str(number), "mail": f"a{number}@example.org"} for number in range(210)]
    with running_receiver(load_settings(), connectors=sources()) as running:
        assert post(running, "many", {"rows": [*rows, None]}) == 200
    work()
    assert quarantined("many") == [
        ("not_an_object", "rows[210]: one JSON object per lead is expected, not null"),
    ]


def test_explain_shows_the_record_asked_for_and_nobody_else_of_its_body(receiver):
    assert post(receiver, "webinars", webinar(person(1), person(2))) == 200
    work()
    told = answer("explain", leads("webinars")[0]["event_id"])
    assert orjson.loads(told["request"]["body"])["^"]["webinar"]["title"] == "Forty tables"
    assert told["request"]["origin"]["place"] == "registrants[0]"
    assert told["request"]["content_type"] == "application/json"
    assert "ada2@example.org" not in str(told)
    assert ("^.webinar.title", "event_name") in {(row["path"], row["field"]) for row in told["fields"]}


def test_a_fault_in_prepare_loses_nothing_and_is_mended_by_a_replay(company):
    said = 'intake=Webhook(records_at="rows"), prepare=prepare'
    mapping = "lead: {email: mail, full_name: who}\ntouch: {form_name: kind}\n"
    wrong = "def prepare(record):\n    return {**record, 'mail': record['contact']['male']}"
    company.declare("forms", said, mapping, before=wrong)
    with running_receiver(load_settings(), connectors=sources()) as running:
        body = {"kind": "demo", "rows": [{"contact": {"mail": "ada@example.org"}, "who": "Ada Sample"}] * 2}
        body["rows"][1] = {"contact": {"mail": "bo@example.org"}, "who": "Bo Sample"}
        assert post(running, "forms", body) == 200
    work()
    assert {code for code, _ in quarantined("forms")} == {"prepare_failed"}
    right = """
    def prepare(record, parents):
        record["mail"] = record.pop("contact")["mail"]
        return {**record, "kind": parents[0]["kind"]}
    """
    company.declare("forms", said, mapping, before=right)
    assert run("quarantine", "replay", "--reason", "prepare_failed").returncode == 0
    work()
    rows = [(row["state"], row["email"], row["full_name"], row["form_name"]) for row in leads("forms")]
    assert rows == [
        ("settled", "ada@example.org", "Ada Sample", "demo"),
        ("settled", "bo@example.org", "Bo Sample", "demo"),
    ]


def test_bodies_that_the_version_before_prepared_are_not_prepared_again(company):
    before = "def prepare(record):\n    return {'mail': record['raw']['mail']}"
    company.declare("forms", "intake=Webhook(), prepare=prepare", "lead: {email: mail}\n", before=before)
    capture({"mail": "ada@example.org"}, source="forms")
    work()
    assert [(row["state"], row["email"]) for row in leads("forms")] == [("settled", "ada@example.org")]


def test_several_lists_of_one_body_are_taken_and_neither_shows_the_other_beside_it(company):
    company.declare("both", 'intake=Webhook(records_at=("leads", "more.contacts"))', "lead: {email: email}\n")
    with running_receiver(load_settings(), connectors=sources()) as running:
        body = {
            "page": 1,
            "leads": [{"email": "ada@example.org"}],
            "more": {"note": "x", "contacts": [{"email": "b@example.org"}]},
        }
        assert post(running, "both", body) == 200
        assert post(running, "both", {"leads": [{"email": "c@example.org"}]}) == 200
        assert post(running, "both", {"neither": []}) == 400
    work()
    assert [(row["email"], row["custom"]) for row in leads("both")] == [
        ("ada@example.org", {"^.page": 1, "^.more": {"note": "x"}}),
        ("b@example.org", {"^.note": "x", "^.^.page": 1}),
        ("c@example.org", {}),
    ]


def test_a_record_may_be_an_object_deep_in_a_body_that_is_all_its_own(company):
    company.declare("deep", 'intake=Webhook(records_at="data.lead"), event_id="^.^.id"', "lead: {email: email}\n")
    with running_receiver(load_settings(), connectors=sources()) as running:
        body = b'{"id": "evt-1", "data": {"lead": {"email": "ada@example.org"}} }'
        for _ in range(2):
            sent = running.post("/in/default/deep", data=body, headers={"Content-Type": "application/json"})
            assert sent.status_code == 200
    (event,) = stored_events("deep")
    assert event.envelope.body == body, "one record keeps the body in its own envelope"
    work()
    assert [(row["external_id"], row["email"]) for row in leads("deep")] == [("evt-1", "ada@example.org")]


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "utf-8", "iso-8859-15"])
def test_the_text_of_a_multipart_form_is_right_in_any_charset_and_stored_as_it_came(receiver, charset):
    name = "Zoë Müller".encode(charset)
    body = (
        b'--b\r\nContent-Disposition: form-data; name="name"\r\nContent-Type: text/plain; charset='
        + charset.encode()
        + b"\r\n\r\n"
        + name
        + b'\r\n--b\r\nContent-Disposition: form-data; name="email"\r\n\r\nzoe@example.org\r\n--b--\r\n'
    )
    kind = "multipart/form-data; boundary=b"
    assert receiver.post("/in/default/web_form", data=body, headers={"Content-Type": kind}).status_code == 202
    (event,) = stored_events("web_form")
    assert (event.envelope.body, event.envelope.content_type) == (body, kind)
    work()
    assert [row["full_name"] for row in leads("web_form")] == ["Zoë Müller"]


@pytest.mark.parametrize("field", ["payload", "rawRequest"])
def test_a_form_field_that_holds_json_is_mapped_without_python(company, field):
    intake = f'intake=Webhook(formats=("json", "form"), json_fields=("{field}",))'
    company.declare("boxed", intake, f"lead: {{email: {field}.answers.email}}\n")
    with running_receiver(load_settings(), connectors=sources()) as running:
        held = '{"answers": {"email": "ada@example.org"}}'
        assert running.post("/in/default/boxed", data={field: held}).ok
        assert running.post("/in/default/boxed", files={field: (None, held.replace("ada", "bo"))}).ok
        assert running.post("/in/default/boxed", data={field: "{broken"}).ok
    work()
    assert [row["email"] for row in leads("boxed")] == ["ada@example.org", "bo@example.org", None]


def test_json_fields_declared_later_are_read_when_the_lead_is_replayed(company):
    company.declare("boxed", 'intake=Webhook(formats=("form",))', "lead: {email: payload.email}\n")
    with running_receiver(load_settings(), connectors=sources()) as running:
        assert running.post("/in/default/boxed", data={"payload": '{"email": "ada@example.org"}'}).ok
    work()
    assert [row["state"] for row in leads("boxed")] == ["quarantined"]
    company.declare("boxed", 'intake=Webhook(json_fields=("payload",))', "lead: {email: payload.email}\n")
    run("quarantine", "replay", "--all")
    work()
    assert [(row["state"], row["email"]) for row in leads("boxed")] == [("settled", "ada@example.org")]


def test_preview_shows_what_stands_beside_as_workers_see_it(company):
    company.declare("webinars", WEBINAR, WEBINAR_MAPPING)
    sample = company.sample("webinars", orjson.dumps(webinar(person(1), None, person(2))).decode())
    shown = run("mapping", "preview", "webinars", str(sample)).stdout
    assert "^.webinar.title" in shown
    assert "Forty tables" in shown
    assert "registrants[1]: one JSON object per lead is expected" in shown


def test_the_check_of_a_source_asks_what_becomes_of_fields_beside_the_list(company):
    company.declare("webinars", WEBINAR, WEBINAR_MAPPING)
    company.sample("webinars", orjson.dumps(webinar(person(1))).decode())
    found = str(answer("source", "check", "webinars", code=1))
    assert "the field ^.webinar.id of the sample typical is undecided" in found
    assert "event_name is mapped from" not in found


@pytest.mark.long
def test_a_large_body_of_many_records_costs_each_of_them_its_own_part_only(company):
    """Time to map grows with the records, not with their square; what is kept with each is small."""
    company.declare(
        "wide", 'intake=Webhook(records_at="rows", max_records=1_000), event_id="id"', "lead: {email: email}\n"
    )

    def seconds(count: int) -> float:
        rows = [{"id": f"{count}-{number}", "email": f"a{number}@example.org"} for number in range(count)]
        beside = {f"k{number}": "x" * 100 for number in range(count)}
        with running_receiver(load_settings(), connectors=sources()) as running:
            assert post(running, "wide", {**beside, "rows": rows}) == 200
        begun = time.perf_counter()
        with transaction() as connection:
            mine = "SELECT event_id FROM events WHERE external_id LIKE %s"
            ids = list(connection.exec_driver_sql(mine, (f"{count}-%",)).scalars())
            found = recompute(connection, ids)
        taken = time.perf_counter() - begun
        assert max(len(orjson.dumps(outcome.lead.custom)) for outcome in found.values()) < 4_000
        return taken

    seconds(50)
    # A square would be there each time; what else the machine does is not.
    assert any(seconds(1_000) < 6 * seconds(500) for _ in range(3))


def test_a_draft_made_of_a_batch_names_what_stands_beside_the_list_as_undecided(company, tmp_path):
    whole = webinar(person(1), person(2))
    sample = tmp_path / "webinar.json"
    sample.write_bytes(orjson.dumps(whole))
    drafted = run("source", "new", "drafted", "--from-sample", str(sample))
    assert drafted.returncode == 0, drafted.stderr
    assert "^.webinar.title" in drafted.stdout
    written = orjson.loads((company.folder / "samples/drafted/typical.json").read_bytes())
    assert set(written) == set(whole)
    assert "Forty tables" not in str(written)
    assert "the field ^.webinar.id of the sample typical is undecided" in str(
        answer("source", "check", "drafted", code=1)
    )


def test_a_draft_made_of_a_batch_of_batches_takes_both_apart(company, tmp_path):
    change = {"field": "leads", "value": {"email": "ada@example.org", "full_name": "Ada Sample"}}
    body = {"object": "page", "entry": [{"id": "1", "time": 7, "changes": [change, change]}]}
    sample = tmp_path / "page.json"
    sample.write_bytes(orjson.dumps(body))
    assert run("source", "new", "paged", "--from-sample", str(sample)).returncode == 0
    assert 'records_at="entry[*].changes"' in (company.folder / "connectors/sources/paged.py").read_text()
    written = orjson.loads((company.folder / "samples/paged/typical.json").read_bytes())
    assert [set(entry) for entry in written["entry"]] == [{"id", "time", "changes"}]
    assert "^.^.object" in str(answer("source", "check", "paged", code=1))
