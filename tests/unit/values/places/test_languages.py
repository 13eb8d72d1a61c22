from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.values.places.languages import normalize_language

CASES = [
    ("es", "es"),
    ("ES", "es"),
    ("spa", "es"),
    ("es-MX", "es-MX"),
    ("es_mx", "es-MX"),
    ("es-419", "es-419"),
    ("Spanish", "es"),
    ("SPANISH", "es"),
    ("español", "es"),
    ("Espanol", "es"),
    ("castellano", "es"),
    ("Spanisch", "es"),
    ("espagnol", "es"),
    ("espanhol", "es"),
    ("Spanish; Castilian", "es"),
    ("Spanish (Mexico)", "es"),
    ("pt", "pt"),
    ("pt-BR", "pt-BR"),
    ("pt_BR", "pt-BR"),
    ("PT-br", "pt-BR"),
    ("português", "pt"),
    ("Brazilian Portuguese", "pt-BR"),
    ("Portuguese (Brazil)", "pt-BR"),
    ("Português do Brasil", "pt-BR"),
    ("portugués", "pt"),
    ("de", "de"),
    ("de_DE", "de-DE"),
    ("de_DE.UTF-8", "de-DE"),
    ("de_DE@euro", "de-DE"),
    ("deu", "de"),
    ("ger", "de"),
    ("Deutsch", "de"),
    ("German", "de"),
    ("alemán", "de"),
    ("alemão", "de"),
    ("allemand", "de"),
    ("de-CH-1996", "de-CH"),
    ("en", "en"),
    ("en-GB", "en-GB"),
    ("en-UK", "en-GB"),
    ("en-us", "en-US"),
    ("eng", "en"),
    ("English", "en"),
    ("English (US)", "en"),
    ("inglés", "en"),
    ("englisch", "en"),
    ("anglais", "en"),
    ("fr", "fr"),
    ("fr-CA", "fr-CA"),
    ("français", "fr"),
    ("Französisch", "fr"),
    ("fre", "fr"),
    ("zh-Hant-TW", "zh-Hant-TW"),
    ("zh_CN", "zh-CN"),
    ("中文", "zh"),
    ("日本語", "ja"),
    ("русский", "ru"),
    ("Italiano", "it"),
    ("nb", "nb"),
    ("Norwegian", "no"),
    ("es-MX,es;q=0.9,en;q=0.8", "es-MX"),
    ("en, es", "en"),
    ("español/inglés", "es"),
    ("xx", None),
    ("zzz", None),
    ("Klingonish", None),
    ("C", None),
    ("12", None),
    ("es-XX", "es"),
    ("-", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "tag"), CASES)
def test_a_language_is_a_tag(text, tag):
    found = normalize_language(text)
    assert found.value == tag
    assert bool(found.flags) == (tag is None and bool(text))


@settings(deadline=None)  # the first call reads the tables
@given(st.one_of(st.text(max_size=60), st.from_regex(r"[a-zA-Z]{1,4}([-_][A-Za-z0-9]{1,5}){0,3}", fullmatch=True)))
@example("zh_hant_tw")
@example("de_DE@euro")
def test_any_text_is_a_language_that_stays_or_none(text):
    once = normalize_language(text).value
    assert once is None or normalize_language(once).value == once
