from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.places.addresses import as_in_country, normalize_city, normalize_postal_code

POSTAL_CODES = [
    ("10115", "DE", "10115", ()),
    ("10115.0", "DE", "10115", ("spreadsheet_number",)),
    ("10115,00", "DE", "10115", ("spreadsheet_number",)),
    ("1067.0", "DE", "01067", ("spreadsheet_number", "leading_zero_restored")),
    ("1067", "DE", "01067", ("leading_zero_restored",)),
    ("5067", "DE", "5067", ("leading_zero_lost",)),
    ("01067", "DE", "01067", ()),
    ("D-10115", "DE", "10115", ()),
    ("DE-10115", "DE", "10115", ()),
    ("D 10115", "DE", "10115", ()),
    ("d-10115", "DE", "10115", ()),
    ("PLZ 10115", "DE", "10115", ()),
    ("F-75001", "FR", "75001", ()),
    ("F-75001", "DE", "F-75001", ()),
    ("1000", "FR", "01000", ("leading_zero_restored",)),
    ("06600", "MX", "06600", ()),
    ("6600", "MX", "06600", ("leading_zero_restored",)),
    ("C.P. 06600", "MX", "06600", ()),
    ("CP 06600", "MX", "06600", ()),
    ("c.p.06600", "MX", "06600", ()),
    ("64000", "MX", "64000", ()),
    ("2134", "US", "02134", ("leading_zero_restored",)),
    ("02134", "US", "02134", ()),
    ("02134-1234", "US", "02134-1234", ()),
    ("021341234", "US", "02134-1234", ()),
    ("02134 1234", "US", "02134-1234", ()),
    ("ZIP 02134", "US", "02134", ()),
    ("8001", "ES", "08001", ("leading_zero_restored",)),
    ("28001", "ES", "28001", ()),
    ("E-28001", "ES", "28001", ()),
    ("1010", "AT", "1010", ()),
    ("A-1010", "AT", "1010", ()),
    ("8000", "CH", "8000", ()),
    ("CH-8000", "CH", "8000", ()),
    ("1000", "BE", "1000", ()),
    ("1234", None, "1234", ()),
    ("1234", "XX", "1234", ()),
    ("01310-100", "BR", "01310-100", ()),
    ("01310100", "BR", "01310-100", ()),
    ("CEP 01310-100", "BR", "01310-100", ()),
    ("01310 100", "BR", "01310-100", ()),
    ("sw1a 1aa", "GB", "SW1A 1AA", ()),
    ("SW1A1AA", "GB", "SW1A 1AA", ()),
    ("m1 1ae", "GB", "M1 1AE", ()),
    ("SW1A  1AA", None, "SW1A 1AA", ()),
    ("k1a0b1", "CA", "K1A 0B1", ()),
    ("K1A 0B1", "CA", "K1A 0B1", ()),
    ("K1A-0B1", "CA", "K1A 0B1", ()),
    ("1234ab", "NL", "1234 AB", ()),
    ("1234 AB", "NL", "1234 AB", ()),
    ("00-950", "PL", "00-950", ()),
    ("00950", "PL", "00-950", ()),
    ("1000-001", "PT", "1000-001", ()),
    ("1000", "PT", "1000", ()),
    ("100-0001", "JP", "100-0001", ()),
    ("1000001", "JP", "100-0001", ()),
    ("11455", "SE", "114 55", ()),
    ("11000", "CZ", "110 00", ()),
    ("C1425ABC", "AR", "C1425ABC", ()),
    ("c1425abc", "AR", "C1425ABC", ()),
    ("110111", "CO", "110111", ()),
    ("10115 Berlin", "DE", "10115 BERLIN", ()),
    ("٠١٢٣", "DE", "٠١٢٣", ()),
    ("ü¤", "DE", "ü¤", ()),  # in capitals it would be taken for mojibake
    ("n/a", "DE", None, ("blank",)),
    ("", "DE", None, ()),
]

CITIES = [
    ("Berlin", "Berlin"),
    ("BERLIN", "Berlin"),
    ("berlin", "Berlin"),
    ("SAN LUIS POTOSÍ", "San Luis Potosí"),
    ("RIO DE JANEIRO", "Rio de Janeiro"),
    ("são paulo", "São Paulo"),
    ("FRANKFURT AM MAIN", "Frankfurt am Main"),
    ("STRATFORD-UPON-AVON", "Stratford-upon-Avon"),
    ("L'HOSPITALET DE LLOBREGAT", "L'Hospitalet de Llobregat"),
    ("COEUR D'ALENE", "Coeur d'Alene"),
    ("LA PAZ", "La Paz"),
    ("LAS VEGAS", "Las Vegas"),
    ("NEW YORK", "New York"),
    ("BADEN-BADEN", "Baden-Baden"),
    ("MÜNCHEN", "München"),
    ("GIESSEN", "Giessen"),
    ("CDMX", "CDMX"),
    ("NYC", "NYC"),
    ("MTY", "MTY"),
    ("LA", "LA"),
    ("WASHINGTON DC", "WASHINGTON DC"),
    ("MCALLEN", "MCALLEN"),
    ("HOUSTON USA", "HOUSTON USA"),
    ("ULM", "ULM"),
    ("PARIS 12", "PARIS 12"),
    ("İZMİR", "İZMİR"),
    ("New YORK", "New YORK"),
    ("McAllen", "McAllen"),
    ("東京", "東京"),
    ("МОСКВА", "МОСКВА"),
    ("CIUDAD DE MÉXICO", "Ciudad de México"),
    ("san josé", "San José"),
    ("GUADALAJARA", "Guadalajara"),
    ("monterrey", "Monterrey"),
    ("LOS ÁNGELES", "Los Ángeles"),
    ("BELO HORIZONTE", "Belo Horizonte"),
    ("rio de janeiro", "Rio de Janeiro"),
    ("PORTO ALEGRE", "Porto Alegre"),
    ("SANTIAGO DE COMPOSTELA", "Santiago de Compostela"),
    ("PALMA DE MALLORCA", "Palma de Mallorca"),
    ("ROTHENBURG OB DER TAUBER", "Rothenburg ob der Tauber"),
    ("BAD HOMBURG", "Bad Homburg"),
    ("VILLINGEN-SCHWENNINGEN", "Villingen-Schwenningen"),
    ("düsseldorf", "Düsseldorf"),
    ("köln", "Köln"),
    ("BOULOGNE-BILLANCOURT", "Boulogne-Billancourt"),
    ("CHÂLONS-EN-CHAMPAGNE", "Châlons-en-Champagne"),
    ("LE HAVRE", "Le Havre"),
    ("SAINT-ÉTIENNE", "Saint-Étienne"),
    ("'S-HERTOGENBOSCH", "'S-HERTOGENBOSCH"),
    ("NEWCASTLE UPON TYNE", "Newcastle upon Tyne"),
    ("LONDON", "London"),
    ("SAN FRANCISCO", "San Francisco"),
    ("las vegas", "Las Vegas"),
    ("ST. LOUIS", "ST. LOUIS"),
    ("MACARTHUR", "MACARTHUR"),
    ("D.F.", "D.F."),
    ("BUENOS AIRES", "Buenos Aires"),
    ("SAN MIGUEL DE TUCUMÁN", "San Miguel de Tucumán"),
    ("BOGOTÁ, D.C.", "BOGOTÁ, D.C."),
    ("de", "de"),
    ("  MADRID ", "Madrid"),
    ("Frankfurt a. M.", "Frankfurt a. M."),
    ("LLANFAIRPWLL", "Llanfairpwll"),
    ("N/A", None),
]


@pytest.mark.parametrize(("text", "country", "value", "flags"), POSTAL_CODES)
def test_a_postal_code_is_written_as_in_its_country(text, country, value, flags):
    found = normalize_postal_code(text)
    code, more = as_in_country(found.value, country) if found.value and country else (found.value, ())
    assert (code, (*found.flags, *more)) == (value, flags)


@pytest.mark.parametrize(("text", "value"), CITIES)
def test_a_city_gets_its_case_back_where_no_word_is_in_doubt(text, value):
    assert normalize_city(text).value == value


@given(st.text(max_size=300))
def test_any_text_is_a_city_that_stays(text):
    once = normalize_city(text).value
    assert once is None or normalize_city(once).value == once


@given(
    st.one_of(st.text(max_size=40), st.from_regex(r"[A-Z]{0,2}[- ]?[0-9]{2,9}(\.0)?", fullmatch=True)),
    st.sampled_from(["DE", "MX", "US", "GB", "BR", "PT", "XX"]),
)
def test_any_text_is_a_postal_code_that_stays(text, country):
    found = normalize_postal_code(text).value
    if found is not None:
        once = as_in_country(found, country)[0]
        again = normalize_postal_code(once).value
        assert again is not None
        assert as_in_country(again, country)[0] == once
