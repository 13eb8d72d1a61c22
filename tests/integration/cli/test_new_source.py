"""`afluente source new --from-sample`: payloads as platforms post them, and what is guessed of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.support.checkouts import own_folder, run_at

WEBINAR = {
    "event": "registration.created",
    "delivery_id": "d-1",
    "webinar": {"id": 991, "title": "Spring demo", "host": {"email": "host@sender.test"}},
    "registrants": [
        {
            "registration_id": f"r-{number}",
            "email": f"real.person{number}@customer.test",
            "first_name": "Realforename",
            "tracking": {"utm": {"source": "linkedin", "medium": "cpc", "campaign": "c1", "content": "a", "term": "t"}},
            "questions": [
                {"question": "Company size", "answer": "51-200"},
                {"question": "Role", "answer": "Realforename's boss"},
            ],
            "marketing_consent": True,
        }
        for number in (1, 2, 3)
    ],
}
TYPEFORM = {
    "event_id": "01H",
    "form_response": {
        "form_id": "lT4Z",
        "token": "a3a12ec67a1365927098a606107fac15",
        "submitted_at": "2026-01-15T10:00:00Z",
        "definition": {
            "id": "lT4Z",
            "title": "Pedir una demo",
            "fields": [{"id": "D1", "title": "Email?", "type": "email", "ref": "mail_ref"}],
        },
        "answers": [
            {"type": "email", "email": "real.person@customer.test", "field": {"id": "D1", "ref": "mail_ref"}},
            {"type": "text", "text": "Realforename Realsurname", "field": {"id": "D2", "ref": "full_name"}},
            {"type": "choice", "choice": {"label": "Realchoice"}, "field": {"id": "D3", "ref": "size"}},
        ],
    },
}


class Made(NamedTuple):
    declaration: str
    mapping: dict[str, Any]
    mapping_text: str
    sample: Any
    said: str
    checked: str


def made_of(tmp_path: Path, payload: Any, *, suffix: str = "json") -> Made:
    company = own_folder(tmp_path / "company")
    text = payload if isinstance(payload, str) else json.dumps(payload)
    (tmp_path / f"payload.{suffix}").write_text(text)
    done = run_at(company, "source", "new", "acme", "--from-sample", str(tmp_path / f"payload.{suffix}"))
    assert done.returncode == 0, done.stderr
    mapping = (company / "mappings/sources/acme.yaml").read_text()
    (sample,) = (company / "samples/acme").glob("typical.[cj]s*")
    body = sample.read_text()
    assert "Realforename" not in body
    assert "real.person" not in body
    return Made(
        (company / "connectors/sources/acme.py").read_text(),
        yaml.safe_load(mapping),
        mapping,
        json.loads(body) if suffix != "csv" else body,
        done.stdout,
        run_at(company, "source", "check", "acme").stdout,
    )


def test_a_batch_of_registrants_keeps_what_stands_beside_them_and_what_tells_them_apart(tmp_path):
    made = made_of(tmp_path, WEBINAR)

    assert 'Webhook(records_at="registrants")' in made.declaration
    assert '    event_id="registration_id",' in made.declaration
    assert "registration_id (event_id): it must differ for every lead" in made.said
    assert made.mapping["touch"] == {
        **{f"utm_{name}": f"tracking.utm.{name}" for name in ("source", "medium", "campaign", "term", "content")},
        "event_name": "^.webinar.title",
    }
    assert made.mapping["lists"] == [{"at": "questions", "name": "question", "values": "answer"}]
    assert made.mapping["lead"]["job_title"] == "questions.Role"
    assert "consent" not in made.mapping
    assert "#     from: marketing_consent" in made.mapping_text
    assert [entry["registration_id"] for entry in made.sample["registrants"]] == ["sample-1", "sample-2"]
    assert [entry["question"] for entry in made.sample["registrants"][0]["questions"]] == ["Company size", "Role"]
    for path in ("^.delivery_id", "^.webinar.id", "^.webinar.host"):
        assert f"the field {path} of the sample typical is undecided" in made.checked


@pytest.mark.parametrize(("name", "value"), [("q", "a"), ("pregunta", "respuesta"), ("pergunta", "r"), ("frage", "x")])
def test_questions_under_a_short_or_translated_key_stay_and_their_answers_do_not(tmp_path, name, value):
    answers = {"Your company size?": "11-50", "Which colour do you like?": "turquoise"}
    entries = [{name: question, value: answer} for question, answer in answers.items()]
    made = made_of(tmp_path, {"id": "L-1", "email": "rosa@rosa.example", "answers": entries})

    assert made.mapping["lists"] == [{"at": "answers", "name": name, "values": value}]
    assert [entry[name] for entry in made.sample["answers"]] == list(answers)
    assert "turquoise" not in str(made.sample)


def test_answers_of_a_typeform_are_read_by_their_reference_and_the_form_is_nobody(tmp_path):
    made = made_of(tmp_path, TYPEFORM)

    (answers,) = made.mapping["lists"]
    assert (answers["at"], answers["name"]) == ("form_response.answers", "field.ref")
    assert made.mapping["lead"]["email"] == "form_response.answers.mail_ref"
    assert made.mapping["lead"]["full_name"] == "form_response.answers.full_name"
    assert "job_title" not in made.mapping["lead"]
    assert "external_id" not in made.mapping["lead"]
    assert made.mapping["touch"]["form_name"] == "form_response.definition.title"
    assert [entry["field"]["ref"] for entry in made.sample["form_response"]["answers"]] == [
        "mail_ref",
        "full_name",
        "size",
    ]
    assert [entry["type"] for entry in made.sample["form_response"]["answers"]] == ["email", "text", "choice"]
    assert "Realchoice" not in json.dumps(made.sample)


@pytest.mark.parametrize(
    ("payload", "wrong"),
    [
        ({"form": {"id": "f-1"}, "contact": {"email": "real.person@customer.test", "name": "Realforename"}}, "form.id"),
        ({"page": {"id": "p"}, "lead": {"email": "real.person@customer.test", "full_name": "Realforename"}}, "page.id"),
        ({"account": {"id": 7}, "email": "real.person@customer.test"}, "account.id"),
        ({"webinar": {"id": 7}, "registrant": {"email": "real.person@customer.test"}}, "webinar.id"),
        ({"campaign": {"id": 7}, "data": {"email": "real.person@customer.test"}}, "campaign.id"),
        ({"definition": {"id": "d"}, "answers": {"email": "real.person@customer.test"}}, "definition.id"),
        ({"contact": {"id": "c", "email": "real.person@customer.test"}}, "contact.id"),
        ({"customer_id": "c", "email": "real.person@customer.test"}, "customer_id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_id_of_a_form_a_page_an_account_or_a_person_is_no_id_of_a_lead(tmp_path, payload, wrong):
    made = made_of(tmp_path, payload)

    assert "event_id=" not in made.declaration
    assert wrong not in {made.mapping["lead"].get("submission_id")}


def test_an_id_seen_once_only_is_proposed_and_not_taken(tmp_path):
    made = made_of(tmp_path, {"id": "s-1", "email": "real.person@customer.test"})

    assert '    # event_id="id",  # must differ for every lead: the sample holds one record only' in made.declaration
    assert "the sample holds one record only: give a sample of two" in made.said


def test_an_id_that_comes_again_in_the_sample_is_not_taken(tmp_path):
    people = [{"id": "list-9", "email": f"real.person{number}@customer.test"} for number in (1, 2)]
    made = made_of(tmp_path, people)

    assert "event_id=" not in made.declaration
    assert "id came again in other records of the sample" in made.said


def test_lists_in_lists_are_split_down_to_the_people(tmp_path):
    def lead(number):
        return {"lead_id": number, "email": f"real.person{number}@customer.test"}

    made = made_of(
        tmp_path,
        {
            "entry": [
                {"id": "page-1", "leads": [lead(1), lead(2)]},
                {"id": "page-1", "leads": [lead(3)]},
            ]
        },
    )

    assert 'records_at="entry[*].leads"' in made.declaration
    assert 'event_id="lead_id"' in made.declaration
    assert made.mapping["lead"]["email"] == "email"


def test_two_whatsapp_messages_of_two_people_are_told_apart(tmp_path):
    def change(number):
        return {
            "field": "messages",
            "value": {
                "contacts": [{"profile": {"name": "Realforename"}, "wa_id": f"3461234567{number}"}],
                "messages": [{"id": f"wamid.{number}", "from": f"3461234567{number}", "text": {"body": "hola"}}],
            },
        }

    made = made_of(tmp_path, {"entry": [{"id": "account-1", "changes": [change(1), change(2)]}]})

    assert 'records_at="entry[*].changes"' in made.declaration
    assert "event_id=" not in made.declaration
    assert made.mapping["lead"]["whatsapp_id"] == "value.contacts[0].wa_id"


def test_several_addresses_of_one_person_are_no_list_of_people(tmp_path):
    emails = [{"value": "real.person@customer.test", "type": "work"}, {"value": "x@customer.test", "type": "home"}]
    made = made_of(tmp_path, {"name": "Realforename", "emails": emails})

    assert "records_at" not in made.declaration
    assert made.mapping["lead"] == {"full_name": "name", "email": "emails[0].value"}


def test_the_company_the_host_and_the_owner_are_not_the_person(tmp_path):
    made = made_of(
        tmp_path,
        {
            "owner": {"name": "Realforename", "email": "real.person9@customer.test"},
            "company": {"id": 3, "name": "Acme", "domain": "acme.example"},
            "person": {"id": 4, "name": "Realforename", "email": "real.person@customer.test"},
        },
    )

    assert made.mapping["lead"] == {
        "external_id": "person.id",
        "full_name": "person.name",
        "email": "person.email",
        "company": "company.name",
        "website": "company.domain",
    }


def test_a_table_is_known_by_the_id_that_differs_in_its_rows(tmp_path):
    made = made_of(tmp_path, "Contact ID,List,Email\n1,9,x@customer.test\n2,9,y@customer.test\n", suffix="csv")

    assert '    event_id="Contact ID",' in made.declaration
    assert made.sample.splitlines()[1:] == [
        "sample-1,sample list,ada.sample@example.com",
        "sample-2,sample list 2,ben.example@example.org",
    ]
