"""What people write beside their names and is none of it: credentials, generations, titles once more, pronouns."""

from __future__ import annotations

import pytest

from pipeline.values.names.completion import Names, complete_names
from pipeline.values.names.names import normalize_family_name, normalize_full_name, normalize_given_name
from pipeline.values.vocabularies import vocabulary

WITH_CREDENTIALS = [
    *("Dana Okafor, SHRM-CP", "Dana Okafor, PE", "Dana Okafor, P.Eng.", "Dana Okafor, RN, BSN", "Dana Okafor, Ph. D."),
    *("Dana Okafor, LCSW", "Dana Okafor, ACA", "Dana Okafor, CPPM", "Dana Okafor, Dipl.-Ing.", "Dana Okafor, MD/PhD"),
    *("Dana Okafor, PMP, CSM", "Dana Okafor PMP, CSM", "Dana Okafor PMP CSM", "Dana Okafor,PMP", "Dana Okafor (PMP)"),
    *("Dana Okafor, MBA INSEAD", "Dana Okafor, PRINCE2", "Dr. Dana Okafor, MD, FACS", "Dana Okafor, Dipl.-Ing. (FH)"),
    *("Dana Okafor, XQZP", "Dana Okafor, XQ-ZP", "Dana Okafor, X.Qz.", "Dana Okafor, M. Ed.", "Dana Okafor, PMP, XQZ"),
]
TURNED = [
    ("Okafor, Dana, SHRM-CP", "Dana Okafor, SHRM-CP", "Dana", "Okafor"),
    ("Okafor, Dana SHRM-CP", "Dana Okafor, SHRM-CP", "Dana", "Okafor"),
    ("Okafor, SHRM-CP, Dana", "Dana Okafor, SHRM-CP", "Dana", "Okafor"),
    ("Okafor, Dana, XQZP", "Dana Okafor, XQZP", "Dana", "Okafor"),
    ("OKAFOR, DANA, PMP", "Dana Okafor, PMP", "Dana", "Okafor"),
    ("Smith, John III", "John Smith III", "John", "Smith III"),
    ("Tiptree, James Jr.", "James Tiptree Jr.", "James", "Tiptree Jr."),
    ("Miller, Walter M. Jr.", "Walter M. Miller Jr.", "Walter M.", "Miller Jr."),
    ("Smith Jr., John, PhD", "John Smith Jr., PhD", "John", "Smith Jr."),
    ("van Gogh, Vincent dr", "dr Vincent van Gogh", "Vincent", "van Gogh"),
    ("Patel, Kajal (she/her)", "Kajal Patel", "Kajal", "Patel"),
    ("Brandt, XIOMARA", "Xiomara Brandt", "Xiomara", "Brandt"),
    ("Brandt, JP", "JP Brandt", "JP", "Brandt"),
    ("Rao, CS", "CS Rao", "CS", "Rao"),
    ("Tolkien, J. R. R.", "J. R. R. Tolkien", "J. R. R.", "Tolkien"),
]
PRONOUNS = [
    *(
        "(he/him)",
        "(she/her)",
        "(she/her/hers)",
        "(they/them)",
        "(he/they)",
        "(She/Her)",
        "(SHE/HER)",
        "(any pronouns)",
    ),
    *("(er/ihm)", "(sie/ihr)", "(ella)", "(él/ellos)", "(ela/dela)", "(elle/la)", "(il/lui)", "(lei/sua)", "(hij/hem)"),
    *("they/them", "she / her", "- she/her", ", she/her", "[he/him]", "(he, him)", "(pronouns: she/her)", "(han/ham)"),
]


def parts_of(text: str) -> tuple[str | None, str | None]:
    full = normalize_full_name(text).value
    names = complete_names(Names(None, None, full), written=text, country="US").names
    return names.first, names.last


@pytest.mark.parametrize("text", WITH_CREDENTIALS)
def test_credentials_behind_a_name_turn_nothing_round_and_are_in_no_part(text):
    found = normalize_full_name(text)
    assert found.value == text
    assert "last_first" not in found.flags
    assert parts_of(text) == ("Dana", "Okafor")


@pytest.mark.short(101)
@pytest.mark.parametrize("credential", [spelling for group in vocabulary("credentials").values() for spelling in group])
def test_every_listed_credential_stays_behind_the_name(credential):
    assert parts_of(f"Barbara Scharf, {credential}") in {("Barbara", "Scharf"), (None, None)}
    assert not (normalize_full_name(f"Barbara Scharf, {credential}").value or "").endswith("Scharf")


@pytest.mark.parametrize(("text", "full", "first", "last"), TURNED)
def test_what_stands_before_the_comma_is_the_family_name_and_generations_go_with_it(text, full, first, last):
    found = normalize_full_name(text)
    assert found.value == full
    assert "last_first" in found.flags
    assert parts_of(text) == (first, last)


@pytest.mark.parametrize(
    ("text", "name", "flag"),
    [
        ("Nair, PMP, CSM", "Nair", "credentials_removed"),
        ("Nair PMP", "Nair", "credentials_removed"),
        ("Nair, XQ-ZP", "Nair", "credentials_removed"),
        ("NAIR, PMP", "Nair", "credentials_removed"),
        ("Nair (he/him)", "Nair", "pronouns_removed"),
        ("van Gogh dr", "van Gogh", "title_removed"),
        ("Smith, Jr.", "Smith, Jr.", None),
        ("MA", "Ma", None),
    ],
)
def test_a_column_of_family_names_loses_what_is_none(text, name, flag):
    found = normalize_family_name(text)
    assert found.value == name
    assert found.flags == ((flag,) if flag else ())


def test_a_column_of_given_names_loses_them_too():
    assert normalize_given_name("Kajal (she/her)").value == "Kajal"
    assert normalize_given_name("Kajal, PhD").value == "Kajal"


@pytest.mark.parametrize("pronouns", PRONOUNS)
@pytest.mark.parametrize("name", ["Max Power", "Ana Ruiz"])
def test_pronouns_make_no_second_person(name, pronouns):
    found = normalize_full_name(f"{name} {pronouns}")
    assert found.value == name
    assert found.flags == ("pronouns_removed",)
    assert found.raw == f"{name} {pronouns}"
    assert parts_of(f"{name} {pronouns}") == tuple(name.split())


@pytest.mark.parametrize("text", ["Isabella (Ella) Smith", "Ella Fitzgerald", "Isabella Smith (Ella)", "Ana/Luis"])
def test_names_that_are_pronouns_too_stay(text):
    assert normalize_full_name(text).value == text
    assert "pronouns_removed" not in normalize_full_name(text).flags


def test_a_title_said_twice_is_in_no_part():
    assert parts_of("dr Vincent van Gogh dr") == ("Vincent", "van Gogh")


@pytest.mark.parametrize("text", ["Yo-Yo Ma", "Artur MAS", "Wei MA", "YO-YO MA", "Kim Do"])
def test_a_family_name_that_is_a_license_too_stays_a_family_name(text):
    assert parts_of(text)[1] == text.split()[1].title()


@pytest.mark.parametrize("text", ["Barbara Scharf, Berlin", "Barbara Scharf, Head of Sales"])
def test_a_whole_name_before_the_comma_is_no_family_name(text):
    assert normalize_full_name(text).value == text
