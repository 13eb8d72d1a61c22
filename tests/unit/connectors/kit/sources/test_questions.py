"""What the questions of a form are called in a mapping."""

from __future__ import annotations

import pytest

from connectors.kit import Question, answers_by_name, entries_at, question_name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("What's your shoe size?", "whats_your_shoe_size"),
        ("Your E-mail", "your_email"),
        ("e mail", "email"),
        ("  First   name * ", "first_name"),
        ("utmSource", "utm_source"),
        ("utm_source", "utm_source"),
        ("¿Correo electrónico?", "correo_electronico"),
        ("Straße & Nr.", "straße_nr"),
        ("Ваше имя", "ваше_имя"),
        ("お名前", "お名前"),
        ("C'est l'adresse", "c_est_l_adresse"),
        ("🧨", ""),
        ("", ""),
        (None, ""),
        (["Name"], ""),
        ("x" * 5_000, "x" * 80),
    ],
)
def test_a_title_becomes_a_name(title, name):
    assert question_name(title) == name


def test_a_name_stays_as_it_is():
    for name in ("first_name", "whats_your_shoe_size", "utm_source"):
        assert question_name(name) == name


def test_the_first_question_for_an_address_is_email_whatever_its_title():
    asked = [
        Question("Where may we write to?", "a@example.org", "email"),
        Question("Your boss's", "b@example.org", "email"),
    ]
    assert answers_by_name(asked) == {"email": "a@example.org", "your_bosss": "b@example.org"}


def test_a_question_that_is_called_email_keeps_its_name_though_another_comes_first():
    asked = [Question("Your boss's", "b@example.org", "email"), Question("E-mail", "a@example.org", "email")]
    assert answers_by_name(asked) == {"your_bosss": "b@example.org", "email": "a@example.org"}


def test_no_answer_is_lost_where_titles_are_the_same_or_say_nothing():
    asked = [Question("Name", 1), Question("name", 2), Question("name_2", 3), Question("Name?", 4), Question("🧨", 5)]
    assert answers_by_name(asked) == {"name": 1, "name_2": 2, "name_2_2": 3, "name_3": 4, "question_5": 5}


def test_thousands_of_questions_of_one_title_take_no_time_to_speak_of():
    answers = answers_by_name(Question("Name", place) for place in range(10_000))
    assert list(answers.values()) == list(range(10_000))


@pytest.mark.parametrize("record", [{}, {"a": None}, {"a": "text"}, {"a": {"b": 7}}, {"a": {"b": {"c": 1}}}, None, []])
def test_where_there_is_no_list_there_are_no_entries(record):
    assert entries_at(record, "a.b") == []


def test_what_is_no_object_is_no_entry():
    assert entries_at({"a": {"b": [None, 7, "text", [], {"c": 1}]}}, "a.b") == [{"c": 1}]
