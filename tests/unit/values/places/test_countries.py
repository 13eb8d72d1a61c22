from __future__ import annotations

import pycountry
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.values.places.countries import country_code, normalize_country

CASES = [
    ("DE", "DE"),
    ("de", "DE"),
    ("DEU", "DE"),
    ("276", "DE"),
    ("Germany", "DE"),
    ("GERMANY", "DE"),
    ("Deutschland", "DE"),
    ("Alemania", "DE"),
    ("Alemanha", "DE"),
    ("Allemagne", "DE"),
    ("mexico", "MX"),
    ("México", "MX"),
    ("MEX", "MX"),
    ("Mexique", "MX"),
    ("Mexiko", "MX"),
    ("USA", "US"),
    ("U.S.A.", "US"),
    ("u.s.", "US"),
    ("United States", "US"),
    ("United States of America", "US"),
    ("the United States", "US"),
    ("Estados Unidos", "US"),
    ("EE.UU.", "US"),
    ("EE. UU.", "US"),
    ("EEUU", "US"),
    ("États-Unis", "US"),
    ("Vereinigte Staaten", "US"),
    ("UK", "GB"),
    ("GB", "GB"),
    ("England", "GB"),
    ("Scotland", "GB"),
    ("United Kingdom", "GB"),
    ("Great Britain", "GB"),
    ("Reino Unido", "GB"),
    ("espana", "ES"),
    ("España", "ES"),
    ("Spain", "ES"),
    ("Espanha", "ES"),
    ("brasil", "BR"),
    ("Brazil", "BR"),
    ("Brésil", "BR"),
    ("Holland", "NL"),
    ("The Netherlands", "NL"),
    ("Niederlande", "NL"),
    ("Países Bajos", "NL"),
    ("South Korea", "KR"),
    ("Corea del Sur", "KR"),
    ("Russia", "RU"),
    ("Turkey", "TR"),
    ("Türkiye", "TR"),
    ("Czech Republic", "CZ"),
    ("Czechia", "CZ"),
    ("Ivory Coast", "CI"),
    ("Côte d'Ivoire", "CI"),
    ("Viet Nam", "VN"),
    ("Vietnam", "VN"),
    ("Bolivia", "BO"),
    ("Venezuela", "VE"),
    ("Norwegen", "NO"),
    ("Noruega", "NO"),
    ("Norvège", "NO"),
    ("Japón", "JP"),
    ("Japão", "JP"),
    ("Ungarn", "HU"),
    ("Hungría", "HU"),
    ("Pologne", "PL"),
    (" Suiza ", "CH"),
    ("Suíça", "CH"),
    ("Schweiz", "CH"),
    ("RFA", "DE"),
    ("Tschechien", "CZ"),
    ("Chequia", "CZ"),
    ("EUA", "US"),
    ("E.U.A.", "US"),
    ("Korea", "KR"),
    ("Inglaterra", "GB"),
    ("Holanda", "NL"),
    # other languages
    ("Tyskland", "DE"),
    ("Saksa", "DE"),
    ("Niemcy", "DE"),
    ("Almanya", "DE"),
    ("Németország", "DE"),
    ("Германия", "DE"),
    ("Німеччина", "DE"),
    ("ドイツ", "DE"),
    ("日本", "JP"),
    ("德国", "DE"),
    ("독일", "DE"),
    ("ألمانيا", "DE"),
    ("जर्मनी", "DE"),
    ("Ελλάδα", "GR"),
    ("Magyarország", "HU"),
    ("Suomi", "FI"),
    # spellings that translations give to several countries: ours win, else none is meant
    ("Samoa", "WS"),
    ("México ", "MX"),
    ("República Islâmica do Paquistão", "PK"),
    ("Dominik Cumhuriyeti", None),
    ("टोगो", "TG"),
    ("Ý", None),
    # flags, and cells that say it twice
    ("🇩🇪", "DE"),
    ("🇲🇽", "MX"),
    ("🇩🇪 Germany", "DE"),
    ("🇩🇪 France", None),
    ("🇩🇪🇫🇷", None),
    ("🇽🇽", None),
    ("MX - México", "MX"),
    ("Germany (DE)", "DE"),
    ("Estados Unidos (EE.UU.)", "US"),
    ("Mexico, CDMX", "MX"),
    ("Korea, Republic of", "KR"),
    ("Atlanta, Georgia", None),
    ("Georgia, USA", None),
    ("Paris, France", None),
    ("Germany / France", None),
    ("Atlantis", None),
    ("n/a", None),
    ("4", None),
    ("Berlin", None),
    ("X" * 500, None),
]


@pytest.mark.parametrize(("text", "code"), CASES)
def test_a_country_is_known_by_code_and_name_in_five_languages(text, code):
    found = normalize_country(text)
    assert found.value == code
    assert found.flags == (() if code else ("unknown_country",))
    assert found.raw == (None if text == code else text)


@pytest.mark.parametrize("country", list(pycountry.countries), ids=lambda country: country.alpha_2)
def test_every_country_is_known_by_its_codes_and_english_name(country):
    for text in (country.alpha_2, country.alpha_3, country.numeric, country.name):
        assert country_code(text) == country.alpha_2


@settings(deadline=None)  # the first call reads the tables
@given(st.text(max_size=300))
def test_any_text_gives_a_code_that_stays_or_none(text):
    code = country_code(text)
    assert code is None or country_code(code) == code
