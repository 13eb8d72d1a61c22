from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.text.mojibake import repair_mojibake
from pipeline.values.text.text import LINE_LIMIT, normalize_cell, normalize_line, normalize_paragraphs

BROKEN = [
    ("JosÃ©", "José"),
    ("MÃ¼ller", "Müller"),
    ("MÃ¼ller GmbH & Co. KG", "Müller GmbH & Co. KG"),
    ("JosÃƒÂ©", "José"),
    ("JosÃƒÆ’Ã‚Â©", "José"),
    ("MÃƒÂ¼ller", "Müller"),
    ("SÃ£o Paulo", "São Paulo"),
    ("SÃƒO PAULO", "SÃO PAULO"),
    ("NuÃ±ez", "Nuñez"),
    ("PEÃ‘A", "PEÑA"),
    ("JOSÃ‰", "JOSÉ"),
    ("GarcÃ\xada", "García"),
    ("Ã\x81ngel", "Ángel"),
    ("Ã\xa0 la carte", "à la carte"),
    ("voilÃ\xa0", "voilà"),
    ("FranÃ§ois", "François"),
    ("BjÃ¶rn", "Björn"),
    ("Ã˜rsted", "Ørsted"),
    ("Ã‰lodie", "Élodie"),
    ("TÃ¼rkÃ§e", "Türkçe"),
    ("Ä°stanbul", "İstanbul"),
    ("KovaÄ\x8deviÄ‡", "Kovačević"),
    ("Å\x81Ã³dÅº", "Łódź"),
    ("â€™", "’"),
    ("Donâ€™t", "Don’t"),
    ("â€œHolaâ€\x9d", "“Hola”"),
    ("2024 â€“ 2026", "2024 – 2026"),
    ("Â¿QuÃ©?", "¿Qué?"),
    ("Â© 2026", "© 2026"),
    ("Â£5", "£5"),
    ("â‚¬ 500", "€ 500"),
    ("ðŸ˜€", "😀"),
    ("ä¸\xadå\x9b½", "中国"),
    ("ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет"),
    ("Ð\x9cÐ¾Ñ\x81ÐºÐ²Ð°", "Москва"),
    ("Î‘Î¸Î®Î½Î±", "Αθήνα"),
    ("Ø§Ù„Ø¹Ø±Ø¨ÙŠØ©", "العربية"),
    ("caf√©", "café"),
    ("L‚ÄôOr√©al", "L’Oréal"),
    ("Don\x92t", "Don’t"),
    ("MÃ¼ller – Größe", "Müller – Größe"),
]
RIGHT = (
    """
SÃO PAULO|JOÃO|IRMÃ DULCE|MAÇÃ DO AMOR|AMANHÃ É|VILÃ DE REI|CORAÇÃO|INFORMAÇÃO|PÃES & CIA|MÃE D’ÁGUA|ANTÔNIO|Ã|Â
Ângela|ÂNGELA MARIA|Pão de Açúcar – SP|São João d’El-Rei|Irmã à esquerda|letra Ã maiúscula
Não à violência|Mañana|Ñandú
¿Qué tal?|¡Hola!|Señor Nuñez|Güell|Logroño, 3.º 2.ª|Nº 5|€ 500|5 €|500€|café €|5 €/m²|½ €|£5|¥100|à €5|§ 5 Abs. 2
«Société»|« À »|“Über”|„Straße“|L’Oréal|L’ÉTÉ|Ça… c’est|Été…|Île-de-France|Ô Pain|Œuvre|cœur
Çà et là|Crème Brûlée|À LA CARTE
Müller & Söhne|Größe: 5 µm|ß|Weiß|Ærø|Årsta|RÄKSMÖRGÅS|Þór|Ó Súilleabháin|Ő Ű|Citroën™|Nestlé®|Škoda®|José™|©2026
Nguyễn Văn Ân|Đặng Thị Ánh|Trần Đình|Đà Nẵng|Người Việt Nam|Lê Â|İstanbul Şişli|ÇAĞRI|Ağaoğlu
Łódź|Żółć|Dvořák|Kovačević|Bañuelos
Αθήνα|ΓΙΩΡΓΟΣ|Ελλάδα|Київ|Москва|РОССИЯ|Срочно|東京|한국|עברית|العربية|علی\u200cرضا|ไทย|हिन्दी
Tōkyō|3×4 ²|🥖 Panadería|naïve café
""".strip()
    .replace("\n", "|")
    .split("|")
)


@pytest.mark.parametrize(("broken", "meant"), BROKEN)
def test_text_read_in_the_wrong_encoding_is_turned_back_and_flagged(broken, meant):
    for normalize in (normalize_line, normalize_cell, normalize_paragraphs):
        assert normalize(broken) == (meant, ("mojibake",), broken, ())


@pytest.mark.parametrize("text", RIGHT)
def test_right_text_in_any_language_stays(text):
    assert repair_mojibake(text) == text
    assert normalize_line(text) == (text, (), None, ())


def test_there_are_tables_worth_their_name():
    assert len(BROKEN) >= 40
    assert len(RIGHT) >= 100


@pytest.mark.parametrize(
    "text", ["“curly”", "ﬁnance", "ＡＢＣ", "it’s", "\x1b[31mred", "a\r\nb", "&amp;", "Jose\u0301"]
)
def test_nothing_but_the_encoding_is_repaired(text):
    assert repair_mojibake(text) == text


def test_where_a_letter_is_lost_none_is_put_in_its_place():
    assert normalize_line("â€œlossy decodingâ€\ufffd").value == "“lossy decodingâ€\ufffd"


def test_what_can_be_repaired_only_once_it_is_cut_is_repaired_at_once():
    text = "caf√© " + "x" * (LINE_LIMIT - 6) + "李李"
    once = normalize_line(text)
    assert once.value.startswith("café")
    assert normalize_line(once.value) == (once.value, (), None, ())


@given(st.text(max_size=40))
def test_any_text_misread_once_comes_back_or_was_no_mojibake_to_begin_with(text):
    misread = text.encode("utf-8", "replace").decode("latin-1")
    assert isinstance(repair_mojibake(misread), str)


@given(st.text(alphabet="aÃ©ÂƒÆ’‚€âã£\u200b\xa0\xad\x92 &;<>b", max_size=30))
def test_repairing_twice_changes_nothing(text):
    for normalize in (normalize_line, normalize_cell, normalize_paragraphs):
        once = normalize(text).value
        if once is not None:
            assert normalize(once) == (once, (), None, ())
