"""What `source new` writes of a sample: something always, and of consent a rule for each field, as a comment."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.authoring.scaffold import write_source

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
