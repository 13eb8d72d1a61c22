"""What a mapping names of touches, consents and a company's own fields arrives in the CRM, and so do its changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.delivery import subjects
from pipeline.delivery.sender import deliver
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.recompute.deliveries import backfill_destination
from pipeline.recompute.settled_leads import replay_settled
from pipeline.stages.destination_mapping.mapping import DESTINATION_MAPPINGS
from pipeline.store.engine import count_statements
from tests.integration.delivery.test_sender import crm, make_people
from tests.support.command_line import capture, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import rows

__all__ = ["crm"]

ME = Decision("vera")
SAID = 'intake=Webhook(signature=StandardWebhooks(secret=Secret("FORMS_SECRET"))), event_id="id", occurred_at="at"'
FORMS = """
lead: {submission_id: id, occurred_at: at, full_name: name, email: email, city: city}
touch: {page_url: page, referrer: came_from, form_name: form, campaign_id: campaign, ad_id: ad, partner: partner}
custom:
  shoe_size: {from: answers.shoe_size, as: number}
  topics: {from: answers.topics, as: list}
consent:
  news: {purpose: marketing, channel: email, from: opt_in, at: opted_at, policy_version: text}
"""
NAMED = """
destination: named
version: 1
fields:
  LastName: {from: [last_name, full_name], required: true}
  Company: {constant: "[not provided]"}
  Email: {from: email, as: email}
  First_Gclid__c: {from: original_gclid, write: once}
  GCLID__c: {from: latest_gclid, when_empty: clear}
  Form__c: {from: latest_form_name, when_empty: clear}
  First_Form__c: {from: original_form_name, write: once}
  Campaign_Id__c: {from: latest_campaign_id, when_empty: clear}
  Partner__c: {from: original_partner}
  Landing__c: {from: original_landing_path}
  Referrer__c: {from: original_referrer_host}
  Term__c: {from: latest_utm_term, when_empty: clear}
  Medium__c: {from: latest_medium}
  Shoe_Size__c: {from: custom.shoe_size, as: number}
  Topics__c: {from: custom.topics, as: list, separator: ;}
  Consent__c: {from: consent.marketing.email}
  HasOptedOutOfEmail:
    {from: consent.marketing.email, as: boolean, values: {granted: false, denied: true, withdrawn: true, unknown: ""}}
  Consent_At__c: {from: consent.marketing.email.at, as: datetime, when_empty: clear}
  Consent_Text__c: {from: consent.marketing.email.policy_version, when_empty: clear}
  Consent_Source__c: {from: consent.marketing.email.source, when_empty: clear}
"""
PLAIN = NAMED[: NAMED.index("  First_Gclid__c")].replace("destination: named", "destination: plain")
PAGE = "https://shop.example.org/pricing?utm_source=google&utm_medium=cpc&utm_term=shoes&gclid=Cj0-first"
ADA = {
    "id": "s-1",
    "at": "2026-03-02T09:00:00Z",
    "name": "Ada Brandt",
    "email": "ada@example.org",
    "page": PAGE,
    "came_from": "https://www.google.com/search",
    "form": "Pricing",
    "campaign": "c:1234567",
    "partner": "Fairway",
    "answers": {"shoe_size": "43,5", "topics": ["running", "trail"]},
    "opt_in": "yes",
    "opted_at": "2026-03-02T08:59:00Z",
    "text": "2026-01",
}
LATER = {
    "id": "s-2",
    "at": "2026-03-05T09:00:00Z",
    "name": "Ada Brandt",
    "email": "ada@example.org",
    "page": "https://shop.example.org/fair?gclid=Cj0-second",
    "form": "Fair",
}
BETWEEN = {"id": "s-3", "at": "2026-03-03T09:00:00Z", "email": "ada@example.org", "opt_in": "no"}


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        sources.declare("forms", SAID, FORMS)
        for name, text in (("named", NAMED), ("plain", PLAIN)):
            write_destination(sources, name, text)
        crm.configure(mapping="named")
        yield sources


def write_destination(sources: CompanySources, name: str, text: str) -> None:
    path = sources.folder / "mappings" / "destinations" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    DESTINATION_MAPPINGS.refresh([name])


def arrive(*records: dict[str, Any]) -> int:
    """Through the chain and into the CRM; gives how many records were written."""
    capture(*records, source="forms")
    work()
    return send()


def send() -> int:
    return sum(deliver("crm", lane, budget_seconds=5).sent for lane in ("hot", "bulk"))


def in_crm(crm: Any, *names: str) -> tuple[Any, ...]:
    (record,) = crm.records()
    return tuple(record["fields"].get(name) for name in names)


def test_a_click_id_a_question_of_the_form_and_a_consent_arrive_in_the_crm(company, crm) -> None:
    assert arrive(ADA) == 1
    assert in_crm(crm, "GCLID__c", "First_Gclid__c", "Form__c", "Campaign_Id__c", "Partner__c") == (
        "Cj0-first", "Cj0-first", "Pricing", "1234567", "Fairway",
    )  # fmt: skip
    assert in_crm(crm, "Landing__c", "Referrer__c", "Term__c", "Medium__c") == (
        "/pricing", "google.com", "shoes", "cpc",
    )  # fmt: skip
    assert in_crm(crm, "Shoe_Size__c", "Topics__c") == (43.5, "running;trail")
    assert in_crm(crm, "Consent__c", "HasOptedOutOfEmail", "Consent_At__c", "Consent_Text__c", "Consent_Source__c") == (
        "granted", False, "2026-03-02T08:59:00Z", "2026-01", "forms",
    )  # fmt: skip


def test_a_later_touch_changes_what_is_latest_and_leaves_the_original(company, crm) -> None:
    arrive(ADA)
    assert arrive(LATER) == 1
    assert in_crm(crm, "First_Gclid__c", "First_Form__c", "Partner__c") == ("Cj0-first", "Pricing", "Fairway")
    assert in_crm(crm, "GCLID__c", "Form__c", "Campaign_Id__c", "Term__c") == ("Cj0-second", "Fair", None, None)
    assert in_crm(crm, "Shoe_Size__c", "Consent__c") == (43.5, "granted")


def test_a_late_lead_that_was_earlier_becomes_the_original_and_leaves_the_latest(company, crm) -> None:
    arrive(ADA)
    assert arrive({**LATER, "at": "2026-02-01T09:00:00Z"}) == 1
    assert in_crm(crm, "First_Gclid__c", "First_Form__c") == ("Cj0-second", "Fair")
    assert in_crm(crm, "GCLID__c", "Form__c") == ("Cj0-first", "Pricing")


@pytest.mark.parametrize("revisions", ["replace", "add"])
def test_a_withdrawn_consent_alone_makes_the_record_due_and_arrives(company, crm, revisions) -> None:
    """A revision that says nothing else new: no touch, no value of it changes."""
    company.declare("forms", f'{SAID}, revisions="{revisions}"', FORMS)
    arrive(ADA)
    assert arrive({**ADA, "opt_in": "no", "opted_at": "2026-03-09T10:00:00Z"}) == 1
    assert in_crm(crm, "Consent__c", "HasOptedOutOfEmail", "Consent_At__c") == (
        "withdrawn",
        True,
        "2026-03-09T10:00:00Z",
    )
    assert arrive({**ADA, "opt_in": "no", "opted_at": "2026-03-09T10:00:00Z"}) == 0


def test_a_refusal_that_comes_late_and_moves_no_touch_is_told_all_the_same(company, crm) -> None:
    arrive(ADA, LATER)
    assert arrive(BETWEEN) == 1
    assert in_crm(crm, "Consent__c") == ("withdrawn",)


def test_where_no_crm_is_told_of_consent_it_alone_makes_nothing_due(company, crm) -> None:
    crm.configure(mapping="plain")
    arrive(ADA, LATER)
    assert arrive(BETWEEN) == 0


def test_who_was_never_asked_has_a_state_and_no_time(company, crm) -> None:
    arrive(LATER)
    assert in_crm(crm, "Consent__c", "HasOptedOutOfEmail", "Consent_At__c") == ("unknown", None, None)


def test_two_people_who_become_one_and_two_again_have_what_is_theirs(company, crm) -> None:
    ben = {**LATER, "id": "s-9", "email": "ben@example.com", "name": "Ben Ruiz", "opt_in": "no"}
    ben |= {"answers": {"shoe_size": 41}}
    arrive(ADA, ben)
    older, newer = (key for (key,) in rows("SELECT person_id FROM people ORDER BY person_id"))
    merge_people(older, newer, ME)
    send()
    of = {record["external_id"]: record["fields"] for record in crm.records()}
    assert of[str(older)]["Consent__c"] in ("denied", "withdrawn")
    assert (of[str(older)]["GCLID__c"], of[str(older)]["First_Gclid__c"]) == ("Cj0-second", "Cj0-first")
    assert of[str(older)]["Shoe_Size__c"] == 41
    unmerge_person(older, ME)
    send()
    of = {record["external_id"]: record["fields"] for record in crm.records()}
    assert (of[str(older)]["Consent__c"], of[str(newer)]["Consent__c"]) == ("granted", "denied")
    assert (of[str(older)]["GCLID__c"], of[str(newer)]["GCLID__c"]) == ("Cj0-first", "Cj0-second")
    assert (of[str(older)]["Shoe_Size__c"], of[str(newer)]["Shoe_Size__c"]) == (43.5, 41)


def test_a_value_of_ones_own_that_came_from_somebody_else_is_taken_back(company, crm) -> None:
    ben = {**LATER, "id": "s-9", "email": "ben@example.com", "name": "Ben Ruiz", "answers": {"shoe_size": 41}}
    arrive({**ADA, "answers": {}}, ben)
    older, newer = (key for (key,) in rows("SELECT person_id FROM people ORDER BY person_id"))
    merge_people(older, newer, ME)
    send()
    unmerge_person(older, ME)
    send()
    of = {record["external_id"]: record["fields"] for record in crm.records()}
    assert (of[str(older)].get("Shoe_Size__c"), of[str(newer)]["Shoe_Size__c"]) == (None, 41)


@pytest.mark.parametrize(
    ("unread", "field", "before", "now"),
    [
        (", campaign_id: campaign", "Campaign_Id__c", None, "1234567"),
        ("  shoe_size: {from: answers.shoe_size, as: number}\n", "Shoe_Size__c", None, 43.5),
        ("  news: {purpose: marketing, channel: email, from: opt_in,", "Consent__c", "unknown", "granted"),
    ],
)
def test_what_a_corrected_source_reads_alone_reaches_the_crm(company, crm, unread, field, before, now) -> None:
    """A fact of a touch, an answer, a field of one's own: each by itself gives the person another version."""
    company.declare("forms", SAID, FORMS.replace(unread, unread.replace("opt_in", "opt") if "opt" in unread else ""))
    arrive(ADA)
    assert in_crm(crm, field) == (before,)
    company.declare("forms", SAID, FORMS)
    done = replay_settled(source="forms")
    assert field in done.destinations["crm"].fields
    assert (done.deliveries, send()) == (1, 1)
    assert in_crm(crm, field) == (now,)
    assert (replay_settled(source="forms").deliveries, send()) == (0, 0)


def test_who_was_told_before_the_mapping_named_a_click_id_is_found_by_a_backfill(company, crm) -> None:
    bare = {"id": "s-7", "at": "2026-03-05T09:00:00Z", "name": "Cem Yildiz", "email": "cem@example.org"}
    arrive(ADA, bare)
    also = NAMED.replace("{from: original_gclid", "{from: [original_gclid, original_fbclid]")
    write_destination(company, "named", also)
    assert backfill_destination("crm", ["default"]).remapped == 0
    write_destination(company, "named", NAMED + "  Platform__c: {from: latest_gclid}\n")
    assert backfill_destination("crm", ["default"]).remapped == 1
    assert send() == 1
    assert [record["fields"].get("Platform__c") for record in crm.records() if "Platform__c" in record["fields"]] == [
        "Cj0-first"
    ]


@pytest.mark.parametrize(("mapping", "further"), [("plain", 0), ("named", 2)])
def test_touches_and_consents_cost_a_statement_each_and_only_where_they_are_named(
    company, crm, monkeypatch, mapping, further
) -> None:
    crm.configure(mapping=mapping)
    make_people(40)
    seen = []
    genuine = subjects.read_named_people

    def counted(*arguments: Any) -> Any:
        with count_statements() as counting:
            people = genuine(*arguments)
        seen.append((len(people), counting.count))
        return people

    monkeypatch.setattr(subjects, "read_named_people", counted)
    assert send() == 40
    assert seen == [(40, 1 + further)]
