from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.names import (
    name_tokens,
    normalize_family_name,
    normalize_full_name,
    normalize_given_name,
    split_full_name,
)

GIVEN = [
    ("ada", "Ada"),
    ("ADA", "Ada"),
    ("Ada", "Ada"),
    ("  Ada  ", "Ada"),
    ("jean-luc", "Jean-Luc"),
    ("MARÍA JOSÉ", "María José"),
    ("MARIA DE LOS ANGELES", "Maria de los Angeles"),
    ("j. r. r.", "J. R. R."),
    ("ÉLODIE", "Élodie"),
    ("o'neill", "O'Neill"),
    ("DiCaprio", "DiCaprio"),
    ("李", "李"),
    ("Ада", "Ада"),
    ("АДА", "Ада"),
    ("İBRAHİM", "İBRAHİM"),  # its small letters would not lead back
    ("A\u0000da", "Ada"),
    ("Jose\u0301", "José"),
]
FAMILY = [
    ("BRANDT", "Brandt"),
    ("DE LA CRUZ", "de la Cruz"),
    ("de la cruz", "de la Cruz"),
    ("De La Cruz", "De La Cruz"),
    ("MCDONALD", "McDonald"),
    ("mcdonald", "McDonald"),
    ("McDonald", "McDonald"),
    ("MACDONALD", "Macdonald"),
    ("O'NEILL", "O'Neill"),
    ("O’NEILL", "O’Neill"),
    ("D'ANGELO", "D'Angelo"),
    ("VAN DER BERG", "van der Berg"),
    ("von der heide", "von der Heide"),
    ("DOS SANTOS", "dos Santos"),
    ("SANTOS DA SILVA E COSTA", "Santos da Silva e Costa"),
    ("LÓPEZ Y GARCÍA", "López y García"),
    ("LE PEN", "Le Pen"),
    ("LA TORRE", "La Torre"),
    ("DO", "Do"),
    ("SMITH-JONES", "Smith-Jones"),
    ("KING III", "King III"),
    ("smith jr", "Smith Jr"),
    ("ST. JOHN", "St. John"),
    ("müller-lüdenscheidt", "Müller-Lüdenscheidt"),
    ("Van Damme-Peeters", "Van Damme-Peeters"),
    ("ß", "ß"),
]
FULL = [
    ("ADA BRANDT", "Ada Brandt", ()),
    ("ada  brandt", "Ada Brandt", ()),
    ("maria de la cruz", "Maria de la Cruz", ()),
    ("van morrison", "Van Morrison", ()),
    ("LUDWIG VON BEETHOVEN", "Ludwig von Beethoven", ()),
    ("JOHN E SMITH", "John E Smith", ()),
    ("COSTA E SILVA, ANA", "Ana Costa E Silva", ("last_first",)),
    ("Brandt, Ada", "Ada Brandt", ("last_first",)),
    ("BRANDT, ADA", "Ada Brandt", ("last_first",)),
    ("García López, María José", "María José García López", ("last_first",)),
    ("John Smith, PhD", "John Smith, PhD", ()),
    ("Smith, Jr.", "Smith, Jr.", ()),
    ("Acme, Inc., Berlin", "Acme, Inc., Berlin", ()),
    ("Brandt,", "Brandt,", ()),
    ("ada@example.org", "ada@example.org", ()),
]
SPLIT = [
    ("Ada Brandt", ("Ada", "Brandt")),
    ("Jean-Luc Picard", ("Jean-Luc", "Picard")),
    ("Maria de la Cruz", ("Maria", "de la Cruz")),
    ("Ludwig von der Heide", ("Ludwig", "von der Heide")),
    ("Dr. Ada Brandt", ("Ada", "Brandt")),
    ("J Smith", ("J", "Smith")),
    ("Ada", None),
    ("Ana María López", None),
    ("María García López", None),
    ("Yago Rodrigues da Pacheco", None),
    ("Ada M. Brandt", None),
    ("Dr Brandt", None),
    ("Smith Jr", None),
    ("Ana y Luis", None),
    ("Acme GmbH", None),
    ("Acme & Co", None),
    ("ada@example.org x", None),
    ("李 小龙", None),
]


@pytest.mark.parametrize(("text", "name"), GIVEN)
def test_a_given_name_gets_its_case_back(text, name):
    assert normalize_given_name(text).value == name


@pytest.mark.parametrize(("text", "name"), FAMILY)
def test_a_family_name_gets_its_case_back_and_its_particles_stay_small(text, name):
    assert normalize_family_name(text).value == name


@pytest.mark.parametrize(("text", "name", "flags"), FULL)
def test_a_whole_name_is_turned_round_only_where_a_comma_says_so(text, name, flags):
    found = normalize_full_name(text)
    assert (found.value, found.flags) == (name, flags)
    assert found.raw == (None if text == name else text)


@pytest.mark.parametrize(("name", "parts"), SPLIT)
def test_a_whole_name_is_split_only_where_there_is_one_way(name, parts):
    assert split_full_name(name) == parts


def test_a_name_of_a_country_where_the_family_name_comes_first_is_not_split():
    assert split_full_name("Nagy Anna", "HU") is None
    assert split_full_name("Nagy Anna", "ES") == ("Nagy", "Anna")


def test_tokens_of_a_name_know_no_case_accents_particles_or_titles():
    assert name_tokens("Dr. JOSÉ de la Cruz") == name_tokens("jose cruz")
    assert name_tokens("José Cruz") != name_tokens("José Cruz Gil")


@given(st.text(max_size=300))
def test_any_name_normalized_twice_is_as_normalized_once(text):
    for normalize in (normalize_given_name, normalize_family_name, normalize_full_name):
        found = normalize(text)
        if found.value is not None:
            assert normalize(found.value).value == found.value


@given(
    st.lists(st.sampled_from(["DE", "la", "MC", "o'neill", "VAN", "i", "JR", "é", "ß", "ǆ", "İ", ",", "-"]), max_size=6)
)
def test_names_of_awkward_words_normalized_twice_are_as_normalized_once(words):
    for normalize in (normalize_given_name, normalize_family_name, normalize_full_name):
        found = normalize(" ".join(words))
        if found.value is not None:
            assert normalize(found.value).value == found.value
