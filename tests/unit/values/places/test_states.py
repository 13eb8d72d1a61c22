from __future__ import annotations

import pycountry
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.values.places.states import state_code

CASES = [
    ("CDMX", "MX", "MX-CMX"),
    ("D.F.", "MX", "MX-CMX"),
    ("Distrito Federal", "MX", "MX-CMX"),
    ("Ciudad de Mexico", "MX", "MX-CMX"),
    ("México", "MX", "MX-MEX"),
    ("Edo. Mex.", "MX", "MX-MEX"),
    ("Edo. de México", "MX", "MX-MEX"),
    ("Estado de Mexico", "MX", "MX-MEX"),
    ("EDOMEX", "MX", "MX-MEX"),
    ("NL", "MX", "MX-NLE"),
    ("N.L.", "MX", "MX-NLE"),
    ("NLE", "MX", "MX-NLE"),
    ("Nuevo Leon", "MX", "MX-NLE"),
    ("MX-NLE", "MX", "MX-NLE"),
    ("mx-nle", "MX", "MX-NLE"),
    ("Nuevo León, México", "MX", "MX-NLE"),
    ("Estado de Nuevo León", "MX", "MX-NLE"),
    ("Jal.", "MX", "MX-JAL"),
    ("Veracruz", "MX", "MX-VER"),
    ("Michoacán", "MX", "MX-MIC"),
    ("Coahuila", "MX", "MX-COA"),
    ("Q. Roo", "MX", "MX-ROO"),
    ("BC", "MX", "MX-BCN"),
    ("BC", "CA", "CA-BC"),
    ("SP", "BR", "BR-SP"),
    ("São Paulo", "BR", "BR-SP"),
    ("Sao Paulo", "BR", "BR-SP"),
    ("Estado de São Paulo", "BR", "BR-SP"),
    ("DF", "BR", "BR-DF"),
    ("DF", "MX", "MX-CMX"),
    ("NRW", "DE", "DE-NW"),
    ("Nordrhein-Westfalen", "DE", "DE-NW"),
    ("North Rhine-Westphalia", "DE", "DE-NW"),
    ("Bayern", "DE", "DE-BY"),
    ("Bavaria", "DE", "DE-BY"),
    ("Baviera", "DE", "DE-BY"),
    ("Baden-Württemberg", "DE", "DE-BW"),
    ("Baden Wuerttemberg", "DE", "DE-BW"),
    ("Freistaat Sachsen", "DE", "DE-SN"),
    ("CA", "US", "US-CA"),
    ("Cal.", "US", "US-CA"),
    ("Calif.", "US", "US-CA"),
    ("california", "US", "US-CA"),
    ("US-CA", "US", "US-CA"),
    ("N.Y.", "US", "US-NY"),
    ("New York State", "US", "US-NY"),
    ("Washington", "US", "US-WA"),
    ("Washington, DC", "US", "US-DC"),
    ("Georgia", "US", "US-GA"),
    ("Madrid", "ES", "ES-M"),
    ("Comunidad de Madrid", "ES", "ES-MD"),
    ("Asturias", "ES", "ES-O"),
    ("Principado de Asturias", "ES", "ES-AS"),
    ("Cataluña", "ES", "ES-CT"),
    ("Gerona", "ES", "ES-GI"),
    ("Girona", "ES", "ES-GI"),
    ("Provincia de Sevilla", "ES", "ES-SE"),
    ("Vizcaya", "ES", "ES-BI"),
    ("Buenos Aires", "AR", "AR-B"),
    ("CABA", "AR", "AR-C"),
    ("Córdoba", "AR", "AR-X"),
    ("Córdoba", "ES", "ES-CO"),
    ("Córdoba", "CO", "CO-COR"),
    ("Bogotá D.C.", "CO", "CO-DC"),
    ("Île-de-France", "FR", "FR-IDF"),
    ("Québec", "CA", "CA-QC"),
    ("Ont.", "CA", "CA-ON"),
    ("Lombardy", "IT", "IT-25"),
    ("MI", "IT", "IT-MI"),
    ("MI", "US", "US-MI"),
    ("Wien", "AT", "AT-9"),
    ("Zürich", "CH", "CH-ZH"),
    ("England", "GB", "GB-ENG"),
    # another country's, nobody's, or two states'
    ("Chiayi", "TW", None),
    ("MX-NLE", "US", None),
    ("Bayern", "FR", None),
    ("Calif.", "MX", None),
    ("Atlantis", "US", None),
    ("13", "JP", None),
    ("M", "ES", None),
    ("", "MX", None),
    ("-", "MX", None),
    ("CA", "XX", None),
    # no country known: only what a single country has
    ("MX-NLE", None, "MX-NLE"),
    ("Nuevo León", None, "MX-NLE"),
    ("Bayern", None, "DE-BY"),
    ("Córdoba", None, None),
    ("La Rioja", None, None),
    ("Georgia", None, None),
    ("CA", None, None),
    ("NL", None, None),
    ("Cal.", None, None),
]


@pytest.mark.parametrize(("text", "country", "code"), CASES)
def test_a_state_has_a_code_where_its_country_leaves_no_doubt(text, country, code):
    assert state_code(text, country) == code


@pytest.mark.parametrize("country", ["AR", "AU", "BR", "CA", "CL", "CO", "DE", "ES", "FR", "IT", "MX", "PE", "US"])
def test_every_state_is_known_by_its_whole_code_and_no_name_leads_abroad(country):
    for one in pycountry.subdivisions.get(country_code=country):
        assert state_code(one.code, country) == one.code
        assert (state_code(one.name, country) or country).startswith(country)


@settings(deadline=None)  # the first call reads the tables
@given(st.text(max_size=200), st.sampled_from([None, "MX", "US", "XX", ""]))
def test_any_text_gives_a_code_of_the_country_or_none(text, country):
    code = state_code(text, country)
    assert code is None or not country or code.startswith(f"{country}-")
    assert code is None or state_code(code, country) == code
