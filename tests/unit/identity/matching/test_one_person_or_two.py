"""Two leads as sources send them, normalized and clustered: one person or two. The rules that a user has in mind."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

import pytest

from pipeline.identity.matching.clustering import cluster, count_users
from pipeline.identity.matching.evidence import Evidence, evidence_of, keys_of
from pipeline.identity.matching.rules import identity_rules
from pipeline.records import Lead
from pipeline.stages.normalization import normalize_lead

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = {"full_name": "Ada Brandt", "email": "ada.brandt@gmail.com", "phone": "+493023125123"}
PHONE, OTHER_PHONE = "+493023125123", "+34600111222"
LINKEDIN = "https://www.linkedin.com/in/ada-brandt/"


def said(fields: dict, *, source: str = "api") -> Evidence:
    lead = Lead(UUID(int=1), "default", source, "hot", NOON, NOON, "x@1", dict(fields))
    found = normalize_lead(lead, default_region="DE")
    assert isinstance(found, Lead)
    return evidence_of(found)


WORDS = ("lime", "moss", "pine", "reed", "sage", "fern", "iris", "lily", "rose", "vine")


def count_people(*evidence: Evidence) -> int:
    """As the workers have it: the same evidence is one piece, and names are counted over all that use a key."""
    pieces = {UUID(int=place + 1): one for place, one in enumerate(dict.fromkeys(evidence))}
    limit = identity_rules().of_many

    def names_on(kind: str, value: str) -> int:
        return count_users(kind, (piece for piece in pieces.values() if (kind, value) in keys_of(piece)), limit)

    return len(cluster(pieces, names_on).people)


ONE = [
    (ADA, ADA),
    (ADA, {**ADA, "city": "Berlin"}),
    (ADA, {"email": "ADA.Brandt@GMAIL.com"}),
    (ADA, {"email": "adabrandt@googlemail.com"}),
    (ADA, {"email": "ada.brandt+news@gmail.com", "full_name": "Ada Brandt"}),
    (ADA, {"email": "ada.brandt@gmail.com", "phone": OTHER_PHONE}),
    (ADA, {"email": "ada.brandt@gmail.com", "full_name": "Ada"}),
    (ADA, {"email": "ada.brandt@gmail.com", "full_name": "A. Brandt"}),
    (ADA, {"email": "ada.brandt@gmail.com", "full_name": "Ada Keller"}),
    (ADA, {"phone": PHONE}),
    (ADA, {"phone": "030 23125123", "full_name": "Ada Brandt"}),
    (ADA, {"phone": PHONE, "full_name": "Ada"}),
    (ADA, {"phone": PHONE, "full_name": "ADA BRANDT"}),
    (ADA, {"phone": PHONE, "full_name": "Brandt, Áda"}),
    (ADA, {"phone": PHONE, "email": "ada@posteo.de", "full_name": "Ada Brandt"}),
    (ADA, {"phone": OTHER_PHONE, "other_phones": [PHONE], "full_name": "Ada Brandt"}),
    (ADA, {"whatsapp_id": PHONE, "full_name": "Ada Brandt"}),
    (ADA, {"email": "ada@posteo.de", "other_emails": ["Ada.Brandt@gmail.com"], "full_name": "Ada Brandt"}),
    (ADA, {"email": "noemail@noemail.com", "other_emails": ["ada.brandt@gmail.com"]}),
    (ADA, {"email": "info@acme.example", "other_emails": ["ada.brandt@gmail.com"], "full_name": "Ada"}),
    (
        {"email": "ada@posteo.de", "other_emails": ["brandt.a@gmx.de"], "full_name": "Ada Brandt"},
        {"email": "abrandt@web.de", "other_emails": ["brandt.a@gmx.de"]},
    ),
    ({"phone": PHONE, "full_name": "Ada"}, ADA),
    ({"first_name": "Ada", "last_name": "Brandt", "phone": PHONE}, {"full_name": "Ada Brandt", "phone": PHONE}),
    ({"full_name": "José de la Cruz", "phone": PHONE}, {"full_name": "JOSE CRUZ", "phone": PHONE}),
    ({"full_name": "Francisco Ruiz", "phone": PHONE}, {"full_name": "Paco Ruiz", "phone": PHONE}),
    ({"full_name": "Elizabeth Moore", "email": "em@gmail.com"}, {"full_name": "Liz Moore", "email": "em@gmail.com"}),
    ({"external_id": "7"}, {"external_id": "7"}),
    ({"external_id": "7", "full_name": "Ada"}, {"external_id": "7", "full_name": "Ada Brandt"}),
    ({"external_id": "7", "email": "ada@posteo.de"}, {"external_id": "7"}),
    ({"external_id": "7", "email": "ada@posteo.de"}, {"external_id": "7", "email": "brandt@gmx.de"}),
    ({"external_id": "7", "email": "ada.brandt@acme.example"}, {"external_id": "7", "email": "ada.berg@acme.example"}),
    ({**ADA, "external_id": "7"}, {"external_id": "7", "full_name": "Ada Berg", "email": "ada.berg@bee.example"}),
    (
        {"external_id": "7", "full_name": "Ada Brandt", "email": "ada@acme.example", "phone": PHONE, "company": "Acme"},
        {
            "external_id": "7",
            "full_name": "Ada Brandt",
            "email": "ab@bee.example",
            "phone": OTHER_PHONE,
            "company": "Bee",
        },
    ),
    ({"linkedin_url": LINKEDIN}, {"linkedin_url": "http://linkedin.com/in/Ada-Brandt?trk=x"}),
    ({"linkedin_url": LINKEDIN, "email": "a@gmail.com"}, {"linkedin_url": LINKEDIN, "email": "ada@posteo.de"}),
    (
        {"full_name": "Ada Brandt", "email": "ada.brandt@acme.example", "company": "Acme", "phone": PHONE},
        {"full_name": "Ada Brandt", "company": "ACME GmbH", "phone": "+493023125124"},
    ),
]
TWO = [
    (ADA, {"full_name": "Ada Brandt"} | {"external_id": "9"}),
    (ADA, {"email": "bo.berg@gmail.com", "full_name": "Bo Berg"}),
    (ADA, {"email": "ada.brandt@gmail.com", "full_name": "Bo Berg"}),
    (ADA, {"email": "bo@posteo.de", "other_emails": ["ada.brandt@gmail.com"], "full_name": "Bo Berg"}),
    (
        {**ADA, "other_emails": ["info@acme.example"]},
        {"email": "bo@posteo.de", "other_emails": ["info@acme.example"], "full_name": "Bo Berg"},
    ),
    (
        {**ADA, "other_emails": ["info@acme.example"]},
        {"email": "info@acme.example", "full_name": "Ada"},
    ),
    (ADA, {"phone": PHONE, "full_name": "Bo Berg"}),
    (ADA, {"phone": PHONE, "full_name": "Bo Brandt"}),
    (ADA, {"phone": PHONE, "email": "bo@posteo.de", "full_name": "Bo Berg"}),
    ({"external_id": "7"}, {"external_id": "8"}),
    ({"external_id": "7", "full_name": "Ada Brandt"}, {"external_id": "7", "full_name": "Bo Berg"}),
    (
        {"external_id": "7", "full_name": "Ada Brandt", "email": "ada@posteo.de"},
        {"external_id": "7", "full_name": "Bo Brandt", "email": "bo@posteo.de"},
    ),
    ({"submission_id": "7", "email": "ada@posteo.de"}, {"submission_id": "7", "email": "bo@posteo.de"}),
    ({"full_name": "Ada Brandt", "external_id": "1"}, {"full_name": "Ada Brandt", "external_id": "2"}),
    ({"full_name": "Ada Brandt", "email": "ada@acme.example"}, {"full_name": "Ada Brandt", "email": "ada@bee.example"}),
    ({"full_name": "Ada Brandt", "email": "info@acme.example"}, {"full_name": "Bo Berg", "email": "info@acme.example"}),
    (
        {"full_name": "Ana Pérez", "email": "ana.perez@acme.example"},
        {"full_name": "Ana Pérez", "email": "aperez@acme.example"},
    ),
    (
        {"full_name": "Mario Ruiz", "email": "ruiz@gmail.com"},
        {"full_name": "Maria Ruiz", "email": "ruiz@gmail.com"},
    ),
    (
        {"full_name": "Ada Brandt", "email": "noemail@noemail.com", "external_id": "1"},
        {"full_name": "Ada Brandt", "email": "noemail@noemail.com", "external_id": "2"},
    ),
    (
        {"full_name": "Ada Brandt", "email": "no.email+x@gmail.com", "phone": OTHER_PHONE},
        {"full_name": "Bo Berg", "email": "no.email+x@gmail.com", "phone": PHONE},
    ),
]


@pytest.mark.parametrize(("first", "second"), ONE)
def test_these_are_one_person(first, second):
    assert count_people(said(first), said(second)) == 1


@pytest.mark.parametrize(("first", "second"), TWO)
def test_these_are_two_people(first, second):
    assert count_people(said(first), said(second)) == 2


def test_an_id_of_one_source_means_nothing_to_another():
    assert count_people(said({"external_id": "7"}), said({"external_id": "7"}, source="web_form")) == 2


def test_a_second_person_on_somebody_elses_phone_is_found_again():
    bo = {"phone": PHONE, "full_name": "Bo Berg"}
    assert count_people(said(ADA), said(bo), said({**bo, "company": "Acme"})) == 2


def test_a_number_that_three_names_use_no_longer_says_who_somebody_is():
    names = ("Ada Brandt", "Bo Berg", "Cy Coe")
    owners = [said({"full_name": name, "phone": PHONE, "email": f"{name[:2].lower()}@posteo.de"}) for name in names]
    nameless = said({"phone": PHONE, "email": "who@posteo.de"})
    assert count_people(owners[0], nameless) == 1
    assert count_people(*owners, nameless) == 4


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_second_address_counts_in_any_order(order):
    leads = [
        {"full_name": "Ada Brandt", "email": "ada@posteo.de", "other_emails": ["brandt.a@gmx.de", "ada@web.de"]},
        {"email": "ada@web.de"},
        {"full_name": "Ada", "email": "adabr@gmx.de", "other_emails": ["brandt.a@gmx.de"]},
        {"full_name": "Bo Berg", "email": "bo@gmx.de", "other_emails": ["ada@posteo.de"]},
    ]
    assert count_people(*(said(leads[place]) for place in order)) == 2


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_whatever_comes_first_the_people_are_the_same(order):
    leads = [
        ADA,
        {"phone": PHONE, "full_name": "Bo Berg"},
        {"email": ADA["email"]},
        {"phone": PHONE, "full_name": "Ada"},
    ]
    assert count_people(*(said(leads[place]) for place in order)) == 2


def test_an_id_that_ever_other_addresses_come_with_is_nobodys() -> None:
    answers = [said({"external_id": "form-1", "email": f"{word}@posteo.de"}) for word in WORDS]

    assert count_people(*answers[:8]) == 1
    assert count_people(*answers) == len(answers)


def test_an_id_that_three_names_share_joins_none_of_them_to_a_lead_without_a_name() -> None:
    three = [said({"external_id": "1", "full_name": name}) for name in ("Ada Brandt", "Bo Berg", "Cleo Mora")]

    assert count_people(*three, said({"external_id": "1", "email": "somebody@posteo.de"})) == 4
