"""Values on their way into PostgreSQL: what its text and jsonb cannot hold is replaced, never refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store import arrays


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("one desk", "one desk"),
        ("café 😀", "café 😀"),
        ("caf\udce9", "caf?"),  # from a terminal of another encoding
        ("😀 \ud83d", "😀 ?"),
        ("a\x00b", "a\ufffdb"),
        ('say "no" \\ {}', 'say "no" \\ {}'),
    ],
)
def test_a_reason_is_kept_as_far_as_a_database_can_hold_it(said: str, stored: str) -> None:
    assert _read(arrays.documents([{"why": said}])) == {"why": stored}


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_any_text_makes_a_document(one: str, other: str) -> None:
    found = _read(arrays.documents([{"why": one, "parts": [other]}]))
    assert found.keys() == {"why", "parts"}


def _read(literal: str) -> dict[str, object]:
    """The one document in an array literal, as the server reads it."""
    quoted = literal.removeprefix('{"').removesuffix('"}')
    read = json.loads(quoted.replace('\\"', '"').replace("\\\\", "\\"))
    assert isinstance(read, dict)
    return read


def test_a_column_without_any_value_is_left_to_the_server_to_fill():
    assert arrays.filled(arrays.numbers, [None, None]) == "{}"
    assert arrays.filled(arrays.numbers, [None, 0]) == "{NULL,0}"


def test_what_is_sealed_stands_beside_what_is_absent():
    assert arrays.sealed([b"abc", None]) == "{YWJj,NULL}"
