"""What `source new` writes of a sample: something always, and of consent a rule for each field, as a comment."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.authoring.invented_samples import invented
from pipeline.authoring.scaffold import write_source
from pipeline.errors import ConfigurationError

PERSON = {"email": "ada@sample.example", "full_name": "Ada Sample"}
KEYS = st.sampled_from(
    ["id", "email", "name", "question", "answer", "label", "value", "data", "a.b", "x[0]", "consent", "next\npage"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def drafted(sample: Any) -> tuple[str, str]:
    """(declaration, mapping) as texts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.json"
        path.write_text(json.dumps(sample))
        write_source("acme_draft", Path(folder), sample=path)
        return (
            (Path(folder) / "connectors/sources/acme_draft.py").read_text(),
            (Path(folder) / "mappings/sources/acme_draft.yaml").read_text(),
        )


def consents_of(sample: Any) -> dict[str, Any]:
    """The drafted rules, their marks taken away."""
    mapping = drafted(sample)[1]
    assert "consent" not in yaml.safe_load(mapping)
    marked = mapping.partition("# consent:\n")[2].splitlines()
    return yaml.safe_load("\n".join(line.removeprefix("# ") for line in marked)) or {}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_sample_with_somebody_in_it_gives_a_draft(record):
    drafted({**record, **PERSON})


def test_a_choice_of_several_answers_gives_a_draft():
    answers = [{"question": "Email", "answer": "x@example.com"}, {"question": "Topics", "answer": [{"label": "A"}]}]
    assert "answers" in drafted({"id": 1, "email": "x@example.com", "answers": answers})[1]


@pytest.mark.parametrize(
    ("fields", "rules"),
    [
        ({"marketing_opt_in": True}, [{"from": "marketing_opt_in", "purpose": "marketing", "channel": None}]),
        (
            {"marketing_opt_in": {"email": True, "at": "2026-01-15T10:00:00Z"}},
            [
                {
                    "from": "marketing_opt_in.email",
                    "purpose": "marketing",
                    "channel": "email",
                    "at": "marketing_opt_in.at",
                }
            ],
        ),
        (
            {"einwilligungen": [{"art": "Werbung per Telefon", "erteilt": True}]},
            [{"from": "einwilligungen[0].erteilt", "purpose": "marketing", "channel": "phone"}],
        ),
        ({"newsletter_einwilligung": False}, [{"from": "newsletter_einwilligung", "purpose": "newsletter",
                                               "channel": "email"}]),
        ({"consentimiento": True}, [{"from": "consentimiento", "purpose": None, "channel": None}]),
        ({"aceito_receber_sms": "sim"}, [{"from": "aceito_receber_sms", "purpose": None, "channel": "sms"}]),
    ],
)  # fmt: skip
def test_what_may_be_consent_is_drafted_with_what_is_plain_of_it(fields, rules):
    assert list(consents_of({**PERSON, **fields}).values()) == rules


def test_each_question_about_consent_has_a_rule_of_its_own():
    answers = [
        {"question": "I agree to receive news by e-mail", "answer": "Yes, please"},
        {"question": "Acepto la política de privacidad", "answer": "sí"},
        {"question": "Size", "answer": "yes"},
    ]
    assert consents_of({**PERSON, "answers": answers}) == {
        "marketing_email": {
            "from": "answers.I agree to receive news by e-mail",
            "purpose": "marketing",
            "channel": "email",
        },
        "privacy_policy": {
            "from": "answers.Acepto la política de privacidad",
            "purpose": "privacy_policy",
            "channel": None,
        },
    }


def test_an_answer_that_tells_of_a_next_page_says_that_a_poll_may_be_meant():
    people = [{"id": f"{number}", "email": f"p{number}@sample.example", "full_name": "Ada"} for number in (1, 2)]
    assert "meta.next_page_token tells of more pages" in drafted({"data": people, "meta": {"next_page_token": "x"}})[0]
    assert "Poll" not in drafted({"data": people, "meta": {"sent": "x"}})[0]


def test_a_field_that_is_an_object_in_some_records_is_mapped_by_none_of_its_names():
    records = [{**PERSON, "utm": {"campaign": "x"}}, {**PERSON, "utm": {"campaign": {"title": "y"}}}]
    assert "utm_campaign" not in drafted(records)[1]
    assert "utm_campaign" not in drafted({**PERSON, "utm": {"campaign": {}}})[1]


@pytest.mark.parametrize(
    "value",
    [
        "3.2.26", "03/02/2026 14:05", "Mi., 3.2.2026 14:05 Uhr", "3 de febrero de 2026", "Feb 3, 2026 2:05 PM",
        "20260203", "ja", "nein", "Sí", "não", "oui", "1", "WhatsApp", "e-mail", "Telefon", "11-50",
        "1.234,50 €", ">500",
    ],
)  # fmt: skip
def test_what_is_written_oddly_keeps_its_shape_in_the_sample(value):
    made = invented(None, "some_answer", value, is_answer=True)
    assert re.sub(r"\d", "0", made) == re.sub(r"\d", "0", value)


@pytest.mark.parametrize("value", ["Grace Realname", "call 0171 2345678", "4711-22-3333", "realname@customer.test"])
def test_what_may_be_somebodys_is_another_one(value):
    assert invented(None, "notes", value) != value


@pytest.mark.parametrize(("value", "made"), [("3.2.1984", "1.1.1990"), ("1984-02-03", "1990-01-01")])
def test_a_day_of_birth_is_another_one_written_likewise(value, made):
    assert invented(None, "date_of_birth", value) == made


def test_words_that_a_mapping_has_to_know_stay_in_the_sample():
    assert invented("country", "land", "Deutschland") == "Deutschland"
    assert invented("employee_count", "size", "51-200") == "50-200"
    assert invented("industry", "branche", "Immobilien") == "Immobilien"
    assert invented("industry", "branche", "Realname and sons") == "Software"


@pytest.mark.parametrize(
    ("kind", "declared", "sample"),
    [
        ("webhook", "intake=Webhook(", "typical.json"),
        ("poll", 'url="https://api.example.com/acme_draft"', "typical.json"),
        ("file", 'intake=File(example="typical.csv")', "typical.csv"),
        ("drop_folder", "intake=DropFolder()", "typical.csv"),
    ],
)
def test_each_kind_of_intake_is_drafted_on_demand(tmp_path, kind, declared, sample):
    made = write_source("acme_draft", tmp_path, kind=kind)
    declaration = (tmp_path / "connectors/sources/acme_draft.py").read_text()
    assert declared in declaration
    assert (tmp_path / "samples/acme_draft" / sample).exists()
    assert made.is_open is (kind == "webhook")
    compile(declaration, "acme_draft.py", "exec")


def test_a_poll_is_drafted_of_the_list_that_its_answer_holds(tmp_path):
    sample = tmp_path / "answer.json"
    sample.write_text(json.dumps({"data": {"leads": [{"id": "1", **PERSON}, {"id": "2", **PERSON}]}, "next_page": "x"}))
    write_source("acme_draft", tmp_path, sample=sample, kind="poll")
    declaration = (tmp_path / "connectors/sources/acme_draft.py").read_text()
    assert 'records_at="data.leads"' in declaration
    assert "next_page tells of the page behind" in declaration


def test_a_kind_that_the_sample_cannot_be_of_is_refused(tmp_path):
    sample = tmp_path / "people.csv"
    sample.write_text("email,name\nada@sample.example,Ada\n")
    with pytest.raises(ConfigurationError, match="a table, and a poll brings JSON: say file or drop_folder"):
        write_source("acme_draft", tmp_path, sample=sample, kind="poll")
