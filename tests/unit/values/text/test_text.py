from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.folding import fold
from pipeline.values.text.text import (
    _LONGEST_BLANK,
    LINE_LIMIT,
    PARAGRAPHS_LIMIT,
    _blanks,
    clean_line,
    clean_paragraphs,
    normalize_cell,
    normalize_identifier,
    normalize_line,
    normalize_paragraphs,
    normalize_url,
)

LINES = [
    ("Brandt GmbH", "Brandt GmbH"),
    ("  Brandt   GmbH  ", "Brandt GmbH"),
    ("Brandt\tGmbH", "Brandt GmbH"),
    ("Brandt\r\nGmbH", "Brandt GmbH"),
    ("Brandt\u2028GmbH", "Brandt GmbH"),
    ("Brandt\u00a0GmbH", "Brandt GmbH"),
    ("Brandt\u3000GmbH", "Brandt GmbH"),
    ("Bra\x00ndt", "Brandt"),
    ("Bra\x1b[0mndt", "Bra[0mndt"),
    ("Bra\u200bndt", "Brandt"),
    ("\ufeffBrandt", "Brandt"),
    ("Bra\u00adndt", "Brandt"),
    ("\u202eBrandt\u202c", "Brandt"),
    ("Brandt\u2066x\u2069", "Brandtx"),
    ("Jose\u0301", "José"),
    ("Jose\u200b\u0301", "José"),
    ("Bra\ud800ndt", "Brandt"),
    ("Brandt\U000e0041", "Brandt"),
    ("a\u200db", "ab"),
    ("علی\u200cرضا", "علی\u200cرضا"),
    ("👩\u200d💻", "👩\u200d💻"),
    ("a\u200c\u200cب", "aب"),
    ("李小龙", "李小龙"),
    ("Straße", "Straße"),
    ("ﬁnance", "ﬁnance"),
    ("½ price", "½ price"),
    ("🥖 Panadería", "🥖 Panadería"),
    ("\u0085next", "next"),
    ("a\u0007b", "ab"),
    ("", ""),
    (" \u200b ", ""),
]


@pytest.mark.parametrize(("text", "clean"), LINES)
def test_a_line_holds_visible_characters_and_single_spaces(text, clean):
    assert clean_line(text) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("one\r\ntwo", "one\ntwo"),
        ("one\rtwo", "one\ntwo"),
        ("one\n\n\n\ntwo", "one\n\ntwo"),
        ("  one \n\ttwo ", "one\ntwo"),
        ("one\x0btwo", "one\ntwo"),
        ("\n\none\n\n", "one"),
        ("one\x00\ntwo", "one\ntwo"),
    ],
)
def test_a_message_keeps_its_lines(text, clean):
    assert clean_paragraphs(text) == clean


def test_what_is_too_long_is_cut_flagged_and_kept_raw():
    found = normalize_line("x" * (LINE_LIMIT + 1))
    assert len(found.value) == LINE_LIMIT
    assert found.flags == ("truncated",)
    assert found.raw == "x" * (LINE_LIMIT + 1)
    assert normalize_line("x" * LINE_LIMIT).flags == ()
    assert len(normalize_paragraphs("x" * 10**6).value) == PARAGRAPHS_LIMIT
    assert len(normalize_paragraphs("x" * 10**6).raw) <= PARAGRAPHS_LIMIT


def test_text_of_invisible_characters_only_is_flagged_blank():
    assert normalize_line("\u200b\u200b") == (None, ("blank",), "\u200b\u200b", ())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MÉXICO", "mexico"),
        ("São  Paulo", "sao paulo"),
        ("Côte d’Ivoire", "cote d ivoire"),
        ("U.S.A.", "u s a"),
        ("Straße", "strasse"),
        ("ÅLAND", "aland"),
        ("Organic Search (SEO)", "organic search seo"),
        ("google_lead_form", "google lead form"),
    ],
)
def test_folded_texts_are_equal_where_people_would_say_so(one, other):
    assert fold(one) == other


BLANK_EVERYWHERE = (
    """
-|--|---|–|—|.|...|?|???|*|/|N/A|n/a|N.A.|n.a.|n/d|N/D|n.d.|s/d|k.A.|k. A.|#N/A|#REF!|#VALUE!
#DIV/0!|#NAME?|#NULL!|#NUM!|#NV|#WERT!
#¡REF!|#¿NOMBRE?|#VALEUR!|\\N|<null>|(null)|[NULL]|(blank)|(vacío)|(vazio)|(leer)|(vide)|[object Object]|not available
Not Provided|[not provided]|no aplica|sin datos|não informado|non renseigné|keine Angabe|nicht angegeben|{}|[]
""".strip()
    .replace("\n", "|")
    .split("|")
)
BLANK_BUT_IN_NAMES = (
    """
NULL|null|Null|None|NONE|none|nil|NaN|nan|undefined|unknown|Unknown|desconocido|ninguno|nenhum
inconnu|aucun|unbekannt|keine
""".strip()
    .replace("\n", "|")
    .split("|")
)
NEVER_BLANK = (
    """
NA|Na|na|0|00|s/n|S/N|No|no|X|x|A|-1|1-|- Ada -|Noname|Nullmeyer|None of these|null and void
(none)|(not set)|(direct)|Nil Sen
Unknown Pleasures Ltd|N/A Records|#1|#N|@|&|+|$|€|li|O|Y|é|李|😀|k A|nad|ND|N D|Dash|Point
Blank GmbH|Empty Ltd|Leer (Ostfriesland)
""".strip()
    .replace("\n", "|")
    .split("|")
)


@pytest.mark.parametrize("text", BLANK_EVERYWHERE)
def test_what_says_nothing_in_any_text_is_left_out_and_flagged(text):
    for normalize in (normalize_line, normalize_cell, normalize_paragraphs, normalize_url):
        assert normalize(f" {text}") == (None, ("blank",), f" {text}", ())


@pytest.mark.parametrize("text", BLANK_BUT_IN_NAMES)
def test_words_for_nothing_stay_in_names_which_they_may_be(text):
    assert normalize_line(text) == (text, (), None, ())
    assert normalize_cell(text) == (None, ("blank",), text, ())
    assert normalize_paragraphs(text) == (None, ("blank",), text, ())


@pytest.mark.parametrize("text", NEVER_BLANK)
def test_what_may_say_something_is_kept(text):
    for normalize in (normalize_line, normalize_cell, normalize_paragraphs, normalize_url):
        assert normalize(text) == (text, (), None, ())


def test_no_blank_is_longer_than_what_is_looked_at():
    assert max(map(len, _blanks()[1])) <= _LONGEST_BLANK
    assert all(word == clean_line(word) for word in _blanks()[1])


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "é" * 100_000, "\ud800" * 100_000, "Ã©" * 50_000, "\n" * 100_000, "\u200b" * 100_000]
)
def test_a_hundred_kilobytes_are_read_and_settle(text):
    for normalize in (normalize_line, normalize_cell, normalize_paragraphs, normalize_url):
        found = normalize(text)
        assert found.value is None or normalize(found.value) == (found.value, (), None, ())


@given(st.text(max_size=600))
def test_cleaning_twice_changes_nothing(text):
    for normalize in (normalize_line, normalize_cell, normalize_paragraphs, normalize_url):
        once = normalize(text).value
        if once is not None:
            again = normalize(once)
            assert again == (once, (), None, ())


@given(st.text(alphabet="a\u200c\u200d\u0628\u0301\u200b \n\r\x00é\u1100\u1161", max_size=30))
def test_cleaning_awkward_characters_twice_changes_nothing(text):
    line, paragraphs = clean_line(text), clean_paragraphs(text)
    assert clean_line(line) == line
    assert clean_paragraphs(paragraphs) == paragraphs
    assert unicodedata.is_normalized("NFC", line)
    assert "\x00" not in paragraphs


@pytest.mark.parametrize("text", ["0", "000", "0.0", "-0", "true", "False", "FALSE"])
def test_what_every_lead_might_have_is_no_id(text):
    assert normalize_identifier(text) == (None, ("placeholder",), text, ())


@pytest.mark.parametrize("text", ["1", "10", "007", "lead-0", "falsehood", "12345678901234567890123"])
def test_any_other_text_is_an_id_as_it_stands(text):
    assert normalize_identifier(text) == (text, (), None, ())
