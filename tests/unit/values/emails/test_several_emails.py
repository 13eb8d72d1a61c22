"""Cells with several e-mail addresses: all come out in order, or a flag says that one did not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.emails.emails import normalize_email

SEPARATORS = [
    *(
        "; ",
        ", ",
        " | ",
        " / ",
        "/",
        " ",
        "\n",
        "\t",
        " ::: ",
        "::",
        " - ",
        " \u2013 ",
        " \u2014 ",
        " \u2022 ",
        "\u3001",
        " & ",
        "&",
    ),
    *(
        " und ",
        " and ",
        " or ",
        " oder ",
        " y ",
        " o ",
        " e ",
        " ou ",
        " et ",
        " en ",
        " +",
        "\u00a6",
        " => ",
        "\\",
        " * ",
    ),
    *(
        ", alt ",
        " (old) ",
        "; secondary: ",
        " P: ",
        " 2) ",
        " alt. ",
        " bzw. ",
        " sowie ",
        " cc ",
        "; also ",
        "\r\n",
        "  ",
    ),
]
LABELS = ["", "primary ", "1) ", "E: ", "Mail: ", "(privat) ", "- ", "\u2022 ", "Kontakt: ", "mailto:", "Work "]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_two_addresses_come_out_whatever_stands_between_them(separator):
    found = normalize_email(f"jane@dorset.example{separator}jim@dorset.example")
    assert (found.value, found.others) == ("jane@dorset.example", ("jim@dorset.example",))
    assert found.flags[0] == "several_values"
    assert "partly_read" not in found.flags


@pytest.mark.parametrize(
    "text",
    [
        "primary jane@dorset.example; secondary: jim@dorset.example",
        "1) jane@dorset.example 2) jim@dorset.example",
        "E: jane@dorset.example P: jim@dorset.example",
        "jane@dorset.example (old: jim@dorset.example)",
        "Jane <jane@dorset.example> and Jim <jim@dorset.example>",
        "Jane Doe jane@dorset.example, Jim Doe jim@dorset.example",
        "Privat jane@dorset.example / Firma jim@dorset.example",
        '["jane@dorset.example","jim@dorset.example"]',
        "jane(at)dorset.example und jim(at)dorset.example",
        "jane@dorset.example, Jim <jim@dorset.example>",
    ],
)
def test_labels_names_and_brackets_hide_no_address_and_change_no_order(text):
    found = normalize_email(text)
    assert (found.value, found.others) == ("jane@dorset.example", ("jim@dorset.example",))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("jane@dorset.example; john smith@dorset.example", ["jane@dorset.example"]),
        ("jane@dorset.example, jim@", ["jane@dorset.example"]),
        ("jane@dorset.example or jim@dorset.examplejoe@dorset.example", ["jane@dorset.example"]),
        ("jane@dorset.example m, jim@dorset.example", ["jim@dorset.example"]),
    ],
)
def test_an_address_that_cannot_be_told_is_missed_with_a_flag(text, kept):
    found = normalize_email(text)
    assert [found.value, *found.others] == kept
    assert "partly_read" in found.flags
    assert found.raw == text


def test_two_addresses_grown_together_give_none():
    assert normalize_email("jane@dorset.examplejim@dorset.example").flags == ("invalid_email",)


@pytest.mark.parametrize("label", ["primary ", "1) ", "E: ", "Work: ", "Correo ", "private "])
def test_a_label_before_a_single_address_is_no_part_of_it(label):
    assert normalize_email(f"{label}jane@dorset.example").value == "jane@dorset.example"


def test_a_cell_too_long_is_cut_between_two_addresses_and_says_so():
    found = normalize_email(", ".join(f"person{number}@dorset.example" for number in range(400)))
    assert found.value == "person0@dorset.example"
    assert "truncated" in found.flags
    assert all(address.endswith("@dorset.example") for address in found.others)


ADDRESSES = st.lists(
    st.builds(
        "{}@{}.{}".format,
        st.from_regex(r"[a-z]{3,8}([._-][a-z]{3,8})?[0-9]{0,3}", fullmatch=True),
        st.from_regex(r"[a-z]{3,9}(-[a-z]{3,6})?", fullmatch=True),
        st.sampled_from(["example", "com", "org", "co.uk", "com.br", "de"]),
    ),
    min_size=1,
    max_size=8,
    unique=True,
).filter(lambda addresses: all(normalize_email(address).value == address for address in addresses))


@given(ADDRESSES, st.lists(st.sampled_from(SEPARATORS), min_size=8, max_size=8), st.sampled_from(LABELS))
def test_of_any_cell_all_addresses_come_out_or_a_flag_says_so_and_none_is_made_of_two(addresses, separators, label):
    cell = label + "".join(f"{address}{separator}" for address, separator in zip(addresses, separators, strict=False))
    found = normalize_email(cell)
    out = [address for address in (found.value, *found.others) if address]
    assert set(out) <= set(addresses)
    assert out == addresses or {"partly_read", "invalid_email"} & set(found.flags)


@given(
    st.lists(st.sampled_from(["jane@a.example", "jim@b.example", "@", "jo smith@c.example", *SEPARATORS]), max_size=9)
)
def test_no_address_is_made_of_the_parts_of_two_whatever_the_order(pieces):
    found = normalize_email("".join(pieces))
    whole = "".join(pieces).replace(" ", "")
    for address in (found.value, *found.others):
        assert address is None or (address.count("@") == 1 and address.partition("@")[2] in whole)
