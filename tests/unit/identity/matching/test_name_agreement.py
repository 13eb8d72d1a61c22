"""How two names agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.identity.matching.name_agreement import (
    CLOSE,
    CROSSED,
    DIFFERENT,
    FULL,
    INITIAL,
    LATER,
    PART,
    SAME_FAMILY,
    SAME_GIVEN,
    UNKNOWN,
    agreement,
    maximal_names,
    name_of,
    word_forms,
)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("Ana López", "Ana López", FULL),
        ("Ana López", "ANA LOPEZ", FULL),
        ("Ana López", "López, Ana", FULL),
        ("Ana López", "Ana López Vega", FULL),
        ("Ana López Vega", "Ana Vega", FULL),
        ("Ana de la Cruz", "Ana Cruz", FULL),
        ("Dra. Ana López", "Ana López", FULL),
        ("Ada Brandt, PhD", "Ada Brandt", FULL),
        ("John Smith Jr.", "John Smith", FULL),
        ("Seán O'Brien", "Sean OBrien", FULL),
        ("Jürgen Groß", "Juergen Gross", FULL),
        ("Ana-María Vega", "Ana María Vega", FULL),
        ("Núñez Peña, Íñigo", "Inigo Nunez", FULL),
        ("Paco Ruiz", "Francisco Ruiz", FULL),
        ("Pepe Ruiz", "José Ruiz Mora", FULL),
        ("Nacho Gil", "Ignacio Gil", FULL),
        ("Chuy Caballero", "Jesús Caballero", FULL),
        ("Lupita Vázquez", "Guadalupe Vázquez", FULL),
        ("Zé Pimenta", "José Pimenta", FULL),
        ("Xande Rocha", "Alexandre Rocha", FULL),
        ("Duda Novaes", "Eduarda Novaes", FULL),
        ("Paulinho Reis", "Paulo Reis", FULL),
        ("Carlitos Mora", "Carlos Mora", FULL),
        ("Franzi Vogt", "Franziska Vogt", FULL),
        ("Uschi Krämer", "Ursula Kraemer", FULL),
        ("Sepp Huber", "Josef Huber", FULL),
        ("Bill Durham", "William Durham", FULL),
        ("Peggy Lane", "Margaret Lane", FULL),
        ("Becky Mills", "Rebecca Mills", FULL),
        ("Paco Ruiz", "Pancho Ruiz", FULL),
        ("Majo Ortiz", "María José Ortiz", FULL),
        ("Juanca Urbina", "Juan Carlos Urbina", FULL),
        ("Joselu Peña", "José Luis Peña", FULL),
        ("Chema Gil", "José María Gil", FULL),
        ("Cadu Reis", "Carlos Eduardo Reis", FULL),
        ("Hajo Brandt", "Hans Joachim Brandt", FULL),
        ("Marivi Sanz", "María Victoria Sanz", FULL),
        ("Ana Lopze", "Ana Lopez", FULL),  # only slips in given names are doubted
        ("Marina López", "Marinna López", CLOSE),
        ("Edwrad Hurst", "Edward Hurst", CLOSE),
        ("Luis López", "José Luis López", LATER),
        ("Carmen Galán", "María Carmen Galán", LATER),
        ("Ana", "Ana López", PART),
        ("López", "Ana López", PART),
        ("Paco", "Francisco Ruiz", PART),
        ("Ana", "Ana", PART),
        ("A. López", "Ana López", INITIAL),
        ("Ana L.", "Ana López", INITIAL),
        ("E. Wright", "Edward Wright", INITIAL),
        ("Y. Soto", "Yolanda Soto", INITIAL),
        ("J. R. Vega", "Juan Ramón Vega", INITIAL),
        ("Yasmin Almeida", "Yasmin Pereira", SAME_GIVEN),
        ("Erica Ortega", "Erica Wood", SAME_GIVEN),
        ("Francisco Díaz Blázquez", "Francisco Javier Díaz", CROSSED),
        ("María José Ybarra", "María Ybarra Mondragón", CROSSED),
        ("Majo Ybarra", "María Ybarra Mondragón", SAME_FAMILY),  # spelled out only where the other name has both
        ("Paco Javier Díaz", "Francisco Díaz Blázquez", CROSSED),
        ("Mary Ann Smith", "Mary Smith Jones", CROSSED),
        ("María José Ybarra", "María Luisa Ybarra", SAME_GIVEN),  # two given names
        ("Ana Ybarra Vega", "Ana Ybarra Mondragón", SAME_GIVEN),  # two family names
        ("María José Ybarra", "Ana Ybarra Mondragón", SAME_FAMILY),
        ("María José", "María Ybarra", SAME_GIVEN),  # one word is too little
        ("María José Vega", "María Ybarra Mondragón", SAME_GIVEN),
        ("María Xyzzy Ybarra", "María Ybarra Mondragón", SAME_GIVEN),  # who knows what that is
        ("María Ybarra José", "María Ybarra Mondragón", SAME_GIVEN),
        ("María José Ybarra", "María Ybarra Luisa", SAME_GIVEN),
        ("María José Ybarra", "Mondragón María Ybarra", SAME_GIVEN),
        ("José María Ybarra", "María Ybarra Mondragón", SAME_FAMILY),  # called José, and called María
        ("María Luz J. Ybarra", "María Juana Ybarra Gil", SAME_GIVEN),
        ("M. José Ybarra", "María Ybarra Mondragón", SAME_FAMILY),
        ("Ana López", "Eva López", SAME_FAMILY),
        ("Mario Vega", "María Vega", SAME_FAMILY),
        ("Eric Holm", "Erica Holm", SAME_FAMILY),
        ("Paul Adams", "Paula Adams", SAME_FAMILY),
        ("Marina López", "Marian López", CLOSE),
        ("Fabio Reguera", "Máximo Reguera", SAME_FAMILY),
        ("Ana López", "Jon Vidal", DIFFERENT),
        ("Ana", "Jon", DIFFERENT),
        ("E. Wright", "Ana López", DIFFERENT),
        ("", "Ana López", UNKNOWN),
        ("", "", UNKNOWN),
        ("12345", "Ana", UNKNOWN),
        ("Ada", "Brandt", UNKNOWN),  # one form asks for this half of a name, another for that
        ("Ana María", "López Vega", UNKNOWN),
        ("Ada", "Ana", DIFFERENT),
        ("Brandt", "López", DIFFERENT),
        ("Martín", "Ada", DIFFERENT),  # a family name too, but also a given one
        ("Ana López", "Brandt", DIFFERENT),
        ("Ada", "Xyzzy", DIFFERENT),  # who knows what half that is
        ("\U0001f389\U0001f389", "Ana", UNKNOWN),
        ("李小龙", "李小龙", PART),  # one word: no agreement of two
        ("李小龙", "王伟", DIFFERENT),
        ("山田 太郎", "太郎 山田", FULL),
        ("محمد علي", "محمد علي", FULL),
        ("محمد علي", "سارة علي", SAME_FAMILY),
        ("Мария Иванова", "МАРИЯ ИВАНОВА", FULL),
        ("Ана " * 100, "Ана", PART),
    ],
)  # fmt: skip
def test_two_names_agree_so(one: str, other: str, kind: str) -> None:
    assert agreement(name_of(one), name_of(other)) == kind
    assert agreement(name_of(other), name_of(one)) == kind


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        (" \t\r\n", ()),
        ("\x00\x07", ()),
        ("...", ()),
        ("X", ("x",)),
        ("E. Wright", ("e", "wright")),
        ("Silva e Souza", ("silva", "souza")),
        ("Ortega y Gasset", ("ortega", "gasset")),
        ("de la", ("de", "la")),  # nothing else is left
        ("Ana 2", ("ana",)),
        ("O\u2019Neill", ("oneill",)),
        ("ANA\u00a0LÓPEZ", ("ana", "lopez")),
        ("Ana 🎉 López", ("ana", "lopez")),
        ("𝐀𝐧𝐚 𝐋𝐨́𝐩𝐞𝐳", ("ana", "lopez")),
    ],
)
def test_the_words_of_a_name_that_tell_people_apart(text: str, words: tuple[str, ...]) -> None:
    assert name_of(text) == words


_WORDS = st.sampled_from(
    ["ana", "paco", "francisco", "majo", "maria", "jose", "e", "l", "lopez", "lopes", "de", "12", "李小龙", "vega"]
)
_NAMES = st.lists(_WORDS, max_size=6).map(" ".join) | st.text(max_size=60)


@given(_NAMES, _NAMES)
def test_it_does_not_matter_which_name_comes_first(one: str, other: str) -> None:
    assert agreement(name_of(one), name_of(other)) == agreement(name_of(other), name_of(one))


@given(_NAMES)
def test_a_name_agrees_with_itself(text: str) -> None:
    name = name_of(text)
    assert agreement(name, name) not in (DIFFERENT, SAME_GIVEN, SAME_FAMILY)
    assert name_of(" ".join(name)) == name


@given(st.text(max_size=40), st.integers(1, 10_000 // 40))
def test_names_of_any_length_have_few_short_words(text: str, times: int) -> None:
    name = name_of(text * times)
    assert len(name) <= 12
    assert all(0 < len(word) <= 40 for word in name)


@given(st.lists(_NAMES, max_size=6))
def test_the_fullest_names_do_not_depend_on_the_order_they_came_in(texts: list[str]) -> None:
    names = [name_of(text) for text in texts]
    assert maximal_names(names) == maximal_names(reversed(names))


def test_a_short_name_may_stand_for_several() -> None:
    assert {"alberto", "roberto", "humberto"} < word_forms("beto")
    assert agreement(("beto", "mora"), ("roberto", "mora")) == agreement(("beto", "mora"), ("alberto", "mora")) == FULL
    assert agreement(("roberto", "mora"), ("alberto", "mora")) == SAME_FAMILY
