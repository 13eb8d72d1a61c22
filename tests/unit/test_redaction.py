"""Personal values do not survive in what a CRM wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.redaction import without_values

VALUES = ["Ada", "Brandt-Öz", "ada.brandt@example.org", "+49 30 23125 123", "Brandt Maschinenbau GmbH", 4711, None]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "Last Name: data value too large: Brandt-Öztürk very lo (max length=80)",
            "Last Name: data value too large: … (max length=80)",
        ),
        ("Email: invalid email address: ada.brandt@example.org", "Email: invalid email address: …"),
        ("bad value for restricted picklist field: Banking & Spying", "bad value for restricted picklist field: …"),
        (
            "duplicate value found: Ada Brandt duplicates record 00Q000000000001EAA",
            "duplicate value found: … duplicates record 00Q000000000001EAA",
        ),
        ('Cannot deserialize "secret thing" here', "Cannot deserialize … here"),
        ("call +49 (0)30 23125-123 first", "call … first"),
        ("the phone is missing for DE leads", "the phone is missing for DE leads"),
        ("UNABLE_TO_LOCK_ROW", "UNABLE_TO_LOCK_ROW"),
    ],
)
def test_reasons_stay_and_values_go(said, kept):
    assert without_values(said, VALUES) == kept


@given(st.lists(st.text(min_size=3, alphabet=st.characters(categories=["L"])), min_size=1, max_size=6))
def test_no_word_of_a_value_is_left(words):
    text = without_values("refused: " + " ".join(words), [" ".join(words)])
    left = {word.casefold() for word in text.replace("…", " ").split()}
    assert not left & {word.casefold() for word in words} - {"refused:"}


def test_names_of_two_letters_go_and_the_particles_of_a_long_text_stay():
    assert without_values("Li has no owner", ["Li"]) == "… has no owner"
    long_text = "Lately we met Bo at the stand and he would like to have the offer with prices"
    assert without_values("the offer of Bo is not what we have", [long_text]) == "the … of … is not what we have"


def test_a_message_is_cut_to_a_length_that_fits_a_column():
    assert len(without_values("x " * 1000, ())) <= 300
