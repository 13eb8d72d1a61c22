from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.values.companies.industries import normalize_industry
from pipeline.values.vocabularies import vocabulary

CASES = [
    ("Technology", "Technology"),
    ("technology", "Technology"),
    ("TECHNOLOGY", "Technology"),
    ("IT", "Technology"),
    ("Information Technology & Services", "Technology"),
    ("Information Technology and Services", "Technology"),
    ("IT Services and IT Consulting", "Technology"),
    ("Software Development", "Technology"),
    ("SaaS", "Technology"),
    ("Tecnología", "Technology"),
    ("Tecnologías de la información", "Technology"),
    ("TI", "Technology"),
    ("Tecnologia da Informação", "Technology"),
    ("Informatik", "Technology"),
    ("EDV", "Technology"),
    ("IT-Branche", "Technology"),
    ("Informatique", "Technology"),
    ("Éditeur de logiciels", "Technology"),
    ("Technology Industry", "Technology"),
    ("Sector tecnología", "Technology"),
    ("51 - Information", "Media"),
    ("31-33 Manufacturing", "Manufacturing"),
    ("Manufacturing", "Manufacturing"),
    ("Automotive", "Manufacturing"),
    ("Automotive Industry", "Manufacturing"),
    ("Automotriz", "Manufacturing"),
    ("Industria automotriz", "Manufacturing"),
    ("Automobilindustrie", "Manufacturing"),
    ("Indústria", "Manufacturing"),
    ("Aéronautique", "Manufacturing"),
    ("Maschinenbau", "Machinery"),
    ("Maquinaria", "Machinery"),
    ("Hospital & Health Care", "Healthcare"),
    ("Health Care and Social Assistance", "Healthcare"),
    ("Salud", "Healthcare"),
    ("Sector salud", "Healthcare"),
    ("Saúde", "Healthcare"),
    ("Gesundheitswesen", "Healthcare"),
    ("Santé", "Healthcare"),
    ("Pharmaceuticals", "Healthcare"),
    ("Medizintechnik", "Healthcare"),
    ("Financial Services", "Finance"),
    ("Servicios financieros", "Finance"),
    ("Finanzdienstleistungen", "Finance"),
    ("Finance and Insurance", "Finance"),
    ("Fintech", "Finance"),
    ("Banking", "Banking"),
    ("Banca", "Banking"),
    ("Seguros", "Insurance"),
    ("Versicherung", "Insurance"),
    ("Assurance", "Insurance"),
    ("Marketing and Advertising", "Communications"),
    ("Publicidad", "Communications"),
    ("Werbung", "Communications"),
    ("Real Estate", "Real Estate"),
    ("Bienes raíces", "Real Estate"),
    ("BTP", "Construction"),
    ("Bau", "Construction"),
    ("Construção Civil", "Construction"),
    ("Immobilien", "Real Estate"),
    ("Immobilienverwaltung", "Real Estate"),
    ("Sector inmobiliario", "Real Estate"),
    ("Agência imobiliária", "Real Estate"),
    ("Immobilier", "Real Estate"),
    ("Property Management", "Real Estate"),
    ("Materiales de construcción", "Construction"),
    ("Management Consulting", "Consulting"),
    ("Unternehmensberatung", "Consulting"),
    ("Conseil", "Consulting"),
    ("Professional, Scientific, and Technical Services", "Consulting"),
    ("Higher Education", "Education"),
    ("Educación", "Education"),
    ("Bildung", "Education"),
    ("Ensino", "Education"),
    ("Oil & Energy", "Energy"),
    ("Mining & Metals", "Energy"),
    ("Minería", "Energy"),
    ("Erneuerbare Energien", "Energy"),
    ("Food and Beverage", "Food & Beverage"),
    ("Food & Beverages", "Food & Beverage"),
    ("Alimentos y bebidas", "Food & Beverage"),
    ("Lebensmittelindustrie", "Food & Beverage"),
    ("Agroalimentaire", "Agriculture"),
    ("Agronegócio", "Agriculture"),
    ("Agriculture, Forestry, Fishing and Hunting", "Agriculture"),
    ("E-Commerce", "Retail"),
    ("Einzelhandel", "Retail"),
    ("Wholesale Trade", "Retail"),
    ("Varejo", "Retail"),
    ("Commerce de détail", "Retail"),
    ("Comercio", "Retail"),
    ("Transportation and Warehousing", "Transportation"),
    ("Logística", "Transportation"),
    ("Transport & Logistik", "Transportation"),
    ("Telekommunikation", "Telecommunications"),
    ("Hotelería", "Hospitality"),
    ("Leisure, Travel & Tourism", "Hospitality"),
    ("Gobierno", "Government"),
    ("Öffentlicher Dienst", "Government"),
    ("ONG", "Not For Profit"),
    ("Verein", "Not For Profit"),
    ("Servicios públicos", "Utilities"),
    ("Otros", "Other"),
    ("Sonstige", "Other"),
    ("Moda", "Apparel"),
    ("alchemy", None),
    ("Sector", None),
    ("31-33", None),
    ("and", None),
    ("x" * 400, None),
]


@pytest.mark.parametrize(("text", "industry"), CASES)
def test_an_industry_is_known_by_its_names_in_five_languages(text, industry):
    found = normalize_industry(text)
    assert found.value == industry
    assert ("unknown_industry" in found.flags) == (industry is None)


@pytest.mark.parametrize("text", ["", " ", "n/a", "-"])
def test_no_industry_is_no_unknown_one(text):
    assert normalize_industry(text).value is None
    assert "unknown_industry" not in normalize_industry(text).flags


@pytest.mark.parametrize("industry", vocabulary("industries"))
def test_every_industry_of_the_list_stays(industry):
    assert normalize_industry(industry) == (industry, (), None, ())


@settings(deadline=None)  # the first call reads the list
@given(st.text(max_size=300))
def test_any_text_is_an_industry_of_the_list_or_none(text):
    found = normalize_industry(text).value
    assert found is None or found in vocabulary("industries")
