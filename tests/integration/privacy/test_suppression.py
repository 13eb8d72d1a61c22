"""Who was erased stays erased, whatever list comes; their own new form makes a new person where the settings say so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connectors.kit import KnownPerson, sources
from pipeline import flow
from pipeline.crypto.encryption import open_request
from pipeline.delivery.sender import deliver as send
from pipeline.identity.crm_people import Page, note_people
from pipeline.identity.decisions import Decision
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.filing import file_evidence
from pipeline.identity.matching.evidence import Evidence
from pipeline.identity.merges import merge_people
from pipeline.privacy.people_to_send import read_named_people
from pipeline.privacy.suppression import digests_of, suppress, suppressed, suppression_digest
from pipeline.records import new_id
from pipeline.settings.loading import load_settings
from pipeline.settings.privacy_settings import PrivacySettings
from pipeline.stages.destination_mapping.names import all_named
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events.balance import balance
from tests.integration.delivery.test_sender import crm
from tests.integration.identity.test_activities import joined
from tests.integration.intake.test_bodies_stored_once import WEBINAR, WEBINAR_MAPPING, person, webinar
from tests.support.command_line import capture, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import rows
from tests.support.intake_server import running_receiver
from tests.support.store_rows import lead_of

__all__ = ["crm"]
pytestmark = pytest.mark.usefixtures("database")

ADA = Evidence(email="ada@example.org", phones=("+34612345678",))


def forbid(evidence: Evidence = ADA, *, reason: str = "erased", brand: str = "default") -> set[bytes]:
    digests = digests_of(brand, [evidence])
    with transaction() as connection:
        suppress(connection, brand, digests, reason=reason)
    return digests


def took(event_id) -> tuple:
    ((state, reason, person_id, external_id),) = rows(
        "SELECT state, reason, person_id, external_id FROM events WHERE event_id = %s", event_id
    )
    return state, reason, person_id, external_id


def bodies() -> int:
    return rows("SELECT count(*) FROM event_bodies")[0][0]


def assert_nothing_is_filed() -> None:
    for table in ("evidence", "evidence_keys", "evidence_events", "people", "touches", "consents", "deliveries"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)], table


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "ada@example.org"},
        {"email": "  ADA@Example.ORG "},
        {"email": "ada+news@example.org"},
        {"email": "other@example.com", "phone": "0034 612 345 678"},
        {"email": "other@example.com", "other_emails": ["Ada@example.org"]},
        {"phone": "+34612345678", "full_name": "Somebody Else"},
    ],
    ids=lambda fields: "-".join(str(value) for value in fields.values()),
)
def test_a_lead_with_a_suppressed_address_in_whatever_spelling_ends_and_leaves_nothing(fields):
    forbid()
    (event_id,) = capture({**fields, "external_id": "r-1"})
    work()
    assert took(event_id) == ("suppressed", "erased", None, None)
    assert bodies() == 0
    assert_nothing_is_filed()
    with transaction() as connection:
        counted = balance(connection)["all"]
    assert (counted["accepted"], counted["suppressed"], counted["difference"]) == (1, 1, 0)


def test_others_of_the_same_batch_go_on_and_another_brand_knows_of_nothing():
    forbid()
    gone, there = capture({"email": "ada@example.org"}, {"email": "ben@example.org"})
    work()
    assert took(gone)[:2] == ("suppressed", "erased")
    assert took(there)[0] == "settled"
    with transaction() as connection:
        cache = EvidenceCache()
        filed = file_evidence(connection, [_of_brand("elsewhere")], cache)
    assert not filed.suppressed


def _of_brand(brand: str):
    lead = lead_of(new_id(), email="ada@example.org")
    lead.brand = brand
    return lead


def test_an_objection_ends_leads_as_without_consent_and_keeps_what_came():
    forbid(reason="objection")
    (event_id,) = capture({"email": "ada@example.org"})
    work()
    assert took(event_id)[:2] == ("suppressed", "no_consent")
    assert bodies() == 1


def test_an_objection_stays_one_when_its_person_is_erased_after_it():
    digests = forbid(reason="objection")
    forbid()
    assert {row[0] for row in rows("SELECT reason FROM suppressions")} == {"objection"}
    assert rows("SELECT count(*) FROM suppressions") == [(len(digests),)]


def test_the_same_list_again_is_a_repeat_of_what_was_suppressed():
    forbid()
    first = capture({"email": "ada@example.org", "external_id": "r-1"})
    work()
    assert capture({"email": "ada@example.org", "external_id": "r-1"}) == first


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path, monkeypatch)


@pytest.mark.usefixtures("redis_url")
def test_only_the_persons_part_of_a_larger_body_goes(company):
    company.declare("webinars", WEBINAR, WEBINAR_MAPPING)
    with running_receiver(load_settings(), connectors=sources()) as receiver:
        receiver.post("/in/default/webinars", json=webinar(person(1), person(2)))
    forbid(Evidence(email="ada1@example.org"))
    work()
    assert set(rows("SELECT state, reason FROM events")) == {("settled", None), ("suppressed", "erased")}
    (whole,) = stored_bodies()
    assert b"ada1@example.org" not in whole
    assert b"ada2@example.org" in whole


def stored_bodies() -> list[bytes]:
    return [
        open_request(bytes(sealed), request_id).body
        for request_id, sealed in rows("SELECT request_id, sealed FROM request_bodies")
    ]


def test_what_is_told_of_a_suppressed_person_waits_for_nobody():
    forbid()
    (event_id,) = capture(joined(), source="zoom_webinar")
    work()
    assert took(event_id)[:2] == ("suppressed", "erased")
    assert rows("SELECT count(*) FROM activities") == rows("SELECT count(*) FROM activity_keys") == [(0,)]
    assert bodies() == 0


class TestTheOwnNewForm:
    @pytest.fixture(autouse=True)
    def own_form(self, monkeypatch):
        monkeypatch.setattr("pipeline.identity.screening.settings", lambda: _Known(PrivacySettings(own_forms=["api"])))

    def file(self, *, posted: bool, at: datetime):
        lead = lead_of(new_id(), email="ada@example.org")
        lead.source, lead.is_posted, lead.occurred_at, lead.received_at = "api", posted, at, at
        with transaction() as connection:
            return file_evidence(connection, [lead]), lead

    def test_lifts_the_erasure_and_only_of_the_addresses_that_it_has(self):
        forbid()
        filed, _ = self.file(posted=True, at=datetime.now(UTC) + timedelta(minutes=1))
        assert filed.leads
        assert not filed.suppressed
        assert rows("SELECT count(*) FROM suppressions") == [(1,)]  # the number

    def test_a_list_a_past_answer_and_an_objection_lift_nothing(self):
        later, before = datetime.now(UTC) + timedelta(minutes=1), datetime.now(UTC) - timedelta(days=1)
        forbid()
        for posted, at in ((False, later), (True, before)):
            filed, lead = self.file(posted=posted, at=at)
            assert filed.suppressed == {lead.event_id: "erased"}
        forbid(reason="objection")
        filed, lead = self.file(posted=True, at=later)
        assert filed.suppressed == {lead.event_id: "no_consent"}
        assert rows("SELECT count(*) FROM suppressions") == [(2,)]


class _Known:
    def __init__(self, privacy: PrivacySettings) -> None:
        self.privacy = privacy


def test_a_digest_begins_with_the_number_that_evidence_is_filed_under_and_is_of_one_brand():
    digest = suppression_digest("default", "email", "ada@example.org")
    assert len(digest) == 16
    assert digest != suppression_digest("other", "email", "ada@example.org")
    (event_id,) = capture({"email": "ada@example.org"})
    work()
    assert (int.from_bytes(digest[:8], "big", signed=True),) in rows("SELECT key FROM evidence_keys")
    with transaction() as connection:
        assert suppressed(connection, "default", [digest]) == set()
    assert took(event_id)[0] == "settled"


def test_asking_costs_a_batch_no_statement():
    def statements(email: str) -> int:
        capture({"email": email})
        claim = flow.claim_batch("hot") or flow.claim_batch("bulk")
        batch = flow.normalize_batch(flow.map_claim(claim))
        with count_statements() as counted:
            flow.deduplicate_batch(batch)
        return len(counted.statements)

    statements("first@example.org")  # makes the index key
    before = statements("ben@example.org")
    forbid()
    assert statements("eve@example.org") == before


@pytest.mark.usefixtures("redis_url")
def test_an_objection_goes_with_the_address_to_whom_its_person_turned_out_to_be(crm):
    one, other = capture({"email": "ada@example.org"}, {"email": "other@example.com"})
    work()
    people = [rows("SELECT person_id FROM events WHERE event_id = %s", event_id)[0][0] for event_id in (one, other)]
    assert run("privacy", "suppress", "--email", "ADA@example.org", "--reason", "objection").stdout == "1 suppressed\n"
    merge_people(*people, Decision("somebody"))
    for lane in ("hot", "bulk"):
        send("crm", lane, budget_seconds=2)
    assert crm.records() == []
    assert {row[0] for row in rows("SELECT code FROM delivery_log")} <= {"suppressed", "merged"}
    run("privacy", "suppress", "--email", "ada@example.org", "--reason", "objection", "--lift")
    capture({"email": "other@example.com", "message": "call me"})
    work()
    for lane in ("hot", "bulk"):
        send("crm", lane, budget_seconds=2)
    assert len(crm.records()) == 1


def test_who_is_in_a_crm_that_keeps_them_is_not_taken_in_again_by_reading_it():
    forbid()
    page = Page("crm", ["default"], [KnownPerson("003", None, {"email": "ada@example.org", "last_name": "Sample"})], 1)
    note_people(page)
    assert rows("SELECT count(*) FROM evidence") == [(0,)]


@pytest.mark.parametrize("mailbox", ["info@acme.example.org", "ada@example.org"])
@pytest.mark.parametrize("comes_first", [True, False])
def test_an_objection_goes_along_with_whichever_address_of_two_who_are_merged(mailbox, comes_first):
    leads = [{"email": mailbox, "full_name": "Ada Brandt"}, {"email": "bea@example.org", "full_name": "Bea Other"}]
    events = capture(*(leads if comes_first else leads[::-1]))
    work()
    people = [rows("SELECT person_id FROM events WHERE event_id = %s", event_id)[0][0] for event_id in events]
    forbid(Evidence(email=mailbox), reason="objection")
    merge_people(*people, Decision("somebody"))
    with transaction() as connection:
        found = read_named_people(connection, people, all_named([]))
    assert [person.is_suppressed for person in found.values() if person.merged_into is None] == [True]
