"""Form builders: what becomes of their payloads before the mapping, by the declared connectors."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import orjson
import pytest

from connectors.kit.registry import sources
from connectors.kit.sources.idempotency import event_id_of
from connectors.kit.sources.records import split_records
from connectors.kit.sources.samples import MULTIPART_BOUNDARY, samples_of
from pipeline.records import Suppressed
from pipeline.stages.mapping.source_mapping import load_source_mapping, read_source_mapping
from tests.support.mapped_records import map_record, try_record
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "forms.md").read_text(encoding="utf-8")
FORM = "application/x-www-form-urlencoded"
BUILDERS = ["typeform", "tally", "jotform", "contact_form_7", "gravity_forms", "elementor", "google_forms"]
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    10**30,
    "",
    "\x00",
    "x" * 5_000,
    [],
    [[[]]],
    [None, 1, {}],
    {},
    {"a": {"b": [1]}},
)
BODY = b'{"id":42,"name":"Zo\\u00eb"}'
BASE64 = "5LbPsEz6rw+Vkv3JOOyL8e3lY+JS7qQcqCnoW13TlLQ="


def prepared(source: str, body: bytes | str, content_type: str = "application/json") -> dict[str, Any]:
    body = body.encode() if isinstance(body, str) else body
    return split_records(sources()[source], body, content_type)[0]


def sample(source: str, name: str = "typical") -> dict[str, Any]:
    found = next(sample for sample in samples_of(source) if sample.name == name)
    return prepared(source, found.body, found.content_type)


def mapping_of(path: Path, text: str):
    path.write_text(text, encoding="utf-8")
    return read_source_mapping(path)


def lead_of(source: str, name: str = "typical"):
    return map_record(load_source_mapping(source), sample(source, name))


@pytest.mark.parametrize("source", BUILDERS)
def test_a_demo_request_waits_for_nobody(source):
    assert sources()[source].lane == "hot"


@pytest.mark.parametrize(
    ("source", "header", "value"),
    [("typeform", "typeform-signature", f"sha256={BASE64}"), ("tally", "tally-signature", BASE64)],
)
def test_the_documented_signature_is_taken_over_the_bytes_as_they_came(source, header, value):
    def accepts(body=BODY, secret="test_secret", headers=None):
        scheme = sources()[source].intake.signature
        return scheme.verify(secrets=[secret], headers=headers or {header: value}, body=body, now=0.0)

    assert accepts()
    assert not accepts(body=orjson.dumps(orjson.loads(BODY)))  # the same JSON, written anew
    assert not accepts(secret="another")
    assert not accepts(headers={header: value[:-2] + "A="})
    assert not accepts(headers={"x-signature": value})


@pytest.mark.parametrize("source", BUILDERS)
def test_a_builder_that_sends_anything_else_gives_a_record_and_no_fault(source):
    connector = sources()[source]
    if connector.prepare is None:
        return
    for found in samples_of(source):
        raw = split_records(replace(connector, prepare=None), found.body, found.content_type)[0]
        for spoiled in spoiled_records(raw):
            assert isinstance(connector.prepare(spoiled), dict)


def spoiled_records(record: dict[str, Any]):
    """The record with each of its values, at any depth, replaced by each odd one."""
    for key, value in record.items():
        for odd in VALUES:
            yield {**record, key: odd}
        if isinstance(value, dict):
            yield from ({**record, key: inner} for inner in spoiled_records(value))
        if isinstance(value, list):
            for place, entry in enumerate(value[:4]):
                if isinstance(entry, dict):
                    yield from (
                        {**record, key: [*value[:place], inner, *value[place + 1 :]]}
                        for inner in spoiled_records(entry)
                    )


class TestTypeform:
    def answers(self, *answers, fields=()):
        response = {"token": "t", "definition": {"fields": list(fields)}, "answers": list(answers)}
        return prepared("typeform", json.dumps({"form_response": response}))["answers"]

    def test_a_ref_that_somebody_chose_is_the_name_and_one_made_up_is_not(self):
        title = {"id": "f1", "title": "Shoe size?"}
        chosen = {"type": "number", "number": 38, "field": {"id": "f1", "ref": "size_of_shoe"}}
        assert self.answers(chosen, fields=[title]) == {"size_of_shoe": 38}
        for made_up in ("01HRZK5T7W8XQ2M4N6P8R0S011", "0f6dbb1e-6a0b-4a52-9d0e-3f5a4f1c2d01"):
            assert self.answers({**chosen, "field": {"id": "f1", "ref": made_up}}, fields=[title]) == {"shoe_size": 38}

    def test_the_value_stands_under_the_key_that_the_type_names(self):
        kinds = {"text": "a", "number": 0, "boolean": False, "date": "2026-03-02", "url": "https://www.example.com"}
        answers = self.answers(*({"type": kind, kind: value, "field": {"ref": kind}} for kind, value in kinds.items()))
        assert answers == kinds

    def test_choices_are_their_labels(self):
        one = {"type": "choice", "choice": {"label": "CRM"}, "field": {"ref": "one"}}
        other = {"type": "choice", "choice": {"other": "Something else"}, "field": {"ref": "other"}}
        many = {"type": "choices", "choices": {"labels": ["CRM", "ERP"]}, "field": {"ref": "many"}}
        assert self.answers(one, other, many) == {"one": "CRM", "other": "Something else", "many": ["CRM", "ERP"]}

    def test_a_response_that_was_not_sent_is_no_lead_and_has_the_id_of_the_one_that_is(self):
        partial = sample("typeform", "partial")
        decided = try_record(load_source_mapping("typeform"), partial)
        assert isinstance(decided, Suppressed)
        assert decided.reason == "no_consent"
        assert event_id_of(sources()["typeform"], partial) == "tok5k2sample04"


class TestTally:
    def answers(self, *fields):
        return prepared("tally", json.dumps({"data": {"responseId": "r", "fields": list(fields)}}))["answers"]

    def boxes(self, value, *, texts=("CRM", "ERP")):
        options = [{"id": text.lower(), "text": text} for text in texts]
        return {"key": "question_b", "label": "What", "type": "CHECKBOXES", "value": value, "options": options}

    def test_ids_of_options_become_their_texts(self):
        assert self.answers(self.boxes(["crm", "erp"])) == {"what": ["CRM", "ERP"]}
        assert self.answers(self.boxes(["erp"])) == {"what": "ERP"}

    def test_an_option_that_nobody_lists_stays_as_it_came(self):
        assert self.answers(self.boxes(["gone", "crm"])) == {"what": ["gone", "CRM"]}

    def test_each_box_told_once_more_is_no_question_of_its_own(self):
        again = {"key": "question_b_crm", "label": "What (CRM)", "type": "CHECKBOXES", "value": True}
        hidden = {"key": "question_c_crm", "label": "utm_source", "type": "HIDDEN_FIELDS", "value": "google"}
        assert self.answers(self.boxes(["crm"]), again, hidden) == {"what": "CRM", "utm_source": "google"}

    def test_a_single_box_that_is_not_ticked_says_nothing(self):
        agreed = ("I agree to get news, which is a sentence",)
        assert self.answers(self.boxes([agreed[0].lower()], texts=agreed)) == {"what": True}
        assert self.answers(self.boxes(None, texts=agreed)) == {"what": None}
        assert self.answers(self.boxes([], texts=agreed)) == {"what": None}

    def test_consent_is_stated_for_the_ticked_box_alone(self):
        consents = lead_of("tally").consents
        assert [(consent.purpose, consent.channel, consent.granted) for consent in consents] == [
            ("marketing", "email", True)
        ]


class TestJotform:
    def record(self, **asked):
        fields = {"submissionID": "61", "rawRequest": json.dumps(asked)}
        line = f"--{MULTIPART_BOUNDARY}\r\nContent-Disposition: form-data; name="
        body = "".join(f'{line}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
        return prepared(
            "jotform", body + f"--{MULTIPART_BOUNDARY}--", f"multipart/form-data; boundary={MULTIPART_BOUNDARY}"
        )

    def test_questions_go_by_their_unique_names(self):
        record = self.record(q3_shoeSize="38", q11_utm_source="google", submitDate="1", slug="submit/1")
        assert record["answers"] == {"shoe_size": "38", "utm_source": "google"}
        assert record["rawRequest"] == {"submitDate": "1", "slug": "submit/1"}

    def test_names_phones_and_addresses_in_parts_become_fields(self):
        record = self.record(
            q3_fullName={"prefix": "Dr.", "first": "Ada", "last": "Brandt"},
            q5_phone={"area": "030", "phone": "23125 041"},
            q6_mobile={"full": "+49 30 23125 041"},
            q7_address={"addr_line1": "Musterweg 3", "city": "Berlin", "postal": "10115", "country": "Germany"},
        )
        assert record["answers"] == {
            "first_name": "Ada",
            "last_name": "Brandt",
            "phone": "030 23125 041",
            "mobile": "+49 30 23125 041",
            "street": "Musterweg 3",
            "city": "Berlin",
            "state": None,
            "postal_code": "10115",
            "country": "Germany",
        }

    def test_without_its_json_there_is_no_answer_and_no_fault(self):
        assert prepared("jotform", "rawRequest=none&submissionID=61", FORM)["answers"] == {}


class TestGravityForms:
    def entry(self, **record):
        return event_id_of(sources()["gravity_forms"], prepared("gravity_forms", json.dumps(record)))

    def test_entries_of_two_sites_and_of_two_forms_are_not_one(self):
        page = "https://www.example.com/contact/"
        entries = [
            self.entry(id="812", form_id="4", source_url=page),
            self.entry(id="812", form_id="5", source_url=page),
            self.entry(id="812", form_id="4", source_url="https://shop.example.com/contact/"),
        ]
        assert len(set(entries)) == 3
        assert self.entry(id=812, form_id=4, source_url=page + "?utm_source=bing") == entries[0]

    def test_a_feed_that_sends_no_number_has_no_id(self):
        assert self.entry(email="ada.brandt@example.org") is None

    def test_an_entry_with_all_fields_is_mapped_as_the_page_shows(self, tmp_path):
        entry = {"id": "812", "form_id": "4", "1.3": "Ada", "1.6": "Brandt", "2": "ada@example.org", "5.1": "I agree"}
        shown = re.search(r"^```yaml\n(source: gravity_forms\n.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
        assert shown is not None
        mapping = mapping_of(tmp_path / "gravity_forms.yaml", shown[1])
        lead = map_record(mapping, prepared("gravity_forms", json.dumps(entry)))
        assert (lead.fields["first_name"], lead.fields["last_name"], lead.fields["email"]) == (
            "Ada",
            "Brandt",
            "ada@example.org",
        )
        assert [consent.granted for consent in lead.consents] == [True]
        assert lead.undecided == []


class TestElementor:
    def answers(self, body):
        return prepared("elementor", body, FORM)["answers"]

    def test_with_advanced_data_a_field_goes_by_an_id_that_somebody_chose_else_by_its_label(self):
        own = "fields[field_5e0a1b2][title]=Your+dog&fields[field_5e0a1b2][value]=Rex"
        body = f"fields[size][title]=Label&fields[size][value]=38&{own}"
        assert self.answers(body) == {"size": "38", "your_dog": "Rex"}

    def test_without_it_fields_go_by_their_labels_and_what_elementor_adds_is_no_answer(self):
        record = prepared("elementor", "Your+dog%3F=Rex&Page+URL=https://www.example.com/&form_id=7&Date=March+2", FORM)
        assert record == {
            "page_url": "https://www.example.com/",
            "form_id": "7",
            "date": "March 2",
            "answers": {"your_dog": "Rex"},
        }

    def test_a_box_that_is_not_ticked_is_no_statement(self):
        body = "fields[marketing_email][value]={}&fields[email][value]=a@example.org"
        mapping = load_source_mapping("elementor")
        ticked, empty = (map_record(mapping, prepared("elementor", body.format(value), FORM)) for value in ("on", ""))
        assert [consent.granted for consent in ticked.consents] == [True]
        assert empty.consents == []

    def test_a_hidden_field_that_was_filled_is_spam(self):
        decided = try_record(
            load_source_mapping("elementor"), prepared("elementor", "Email=a@example.org&hp=http://x", FORM)
        )
        assert isinstance(decided, Suppressed)
        assert decided.reason == "spam"


def test_contact_form_7_reads_choices_as_a_list_and_the_page_that_the_form_stood_on():
    lead = lead_of("contact_form_7", "plain_post")
    assert lead.fields["product_interest"] == "CRM, ERP"
    assert lead.fields["page_url"] == "https://www.example.com/newsletter/"


def test_google_forms_knows_the_address_that_the_form_collects():
    assert lead_of("google_forms").fields["email"] == "ada.brandt@example.org"


def test_a_question_of_ones_own_is_a_field_of_ones_own(tmp_path):
    rules = """
        source: tally
        version: 1
        lead: {email: answers.email}
        custom: {shoe_size: {from: answers.shoe_size, as: number}}
        """
    field = {"key": "q", "label": "Shoe size?", "type": "INPUT_NUMBER", "value": 38}
    address = {"key": "r", "label": "Write to", "type": "INPUT_EMAIL", "value": "ada@example.org"}
    record = prepared("tally", json.dumps({"data": {"responseId": "r", "fields": [field, address]}}))
    lead = map_record(mapping_of(tmp_path / "tally.yaml", dedent(rules)), record)
    assert "38" in str(lead.custom)
    assert lead.fields["email"] == "ada@example.org"
