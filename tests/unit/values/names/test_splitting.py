"""Whole names into given and family names. Cases after the documented tests of nameparser, namae and parsename, the
naming customs of the countries, and names met in lead files.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.values.names.splitting import split_name

ANYWHERE = [
    ("Ada Brandt", ("Ada", "Brandt")),
    ("ada brandt", ("Ada", "Brandt")),
    ("Jean-Luc Picard", ("Jean-Luc", "Picard")),
    ("J Smith", ("J", "Smith")),
    ("J. R. R. Tolkien", ("J. R. R.", "Tolkien")),
    ("J.R.R. Tolkien", ("J.R.R.", "Tolkien")),
    ("Ada M. Brandt", ("Ada M.", "Brandt")),
    ("JOHN E SMITH", ("John E", "Smith")),
    ("María G.", ("María", "G.")),
    ("Elton John", ("Elton", "John")),
    ("Ana Martín", ("Ana", "Martín")),
    ("João Neto", ("João", "Neto")),
    # particles
    ("Maria de la Cruz", ("Maria", "de la Cruz")),
    ("Ludwig von der Heide", ("Ludwig", "von der Heide")),
    ("VINCENT VAN GOGH", ("Vincent", "van Gogh")),
    ("Van Morrison", ("Van", "Morrison")),
    ("Al Pacino", ("Al", "Pacino")),
    ("Leonardo da Vinci", ("Leonardo", "da Vinci")),
    ("Monica di Stefano", ("Monica", "di Stefano")),
    ("Yusof bin Ishak", ("Yusof", "bin Ishak")),
    ("Ana San Martín", ("Ana", "San Martín")),
    ("Henrik op den Berg", ("Henrik", "op den Berg")),
    ("José Ortega y Gasset", ("José", "Ortega y Gasset")),
    ("Santiago Ramón y Cajal", ("Santiago", "Ramón y Cajal")),
    ("Maria Costa e Silva", ("Maria", "Costa e Silva")),
    ("María de los Ángeles López", ("María de los Ángeles", "López")),
    ("Henrik auf Schlauchin", ("Henrik", "auf Schlauchin")),
    ("von Trapp", None),
    ("de la Cruz María", None),
    # a comma, or capitals
    ("Brandt, Ada", ("Ada", "Brandt")),
    ("BRANDT, ADA", ("Ada", "Brandt")),
    ("García López, María José", ("María José", "García López")),
    ("MCDONALD, Ronald", ("Ronald", "McDonald")),
    ("Smith, Dr. John Paul", ("John Paul", "Smith")),
    ("Beethoven, Ludwig van", ("Ludwig", "van Beethoven")),
    ("Smith, Jr., John", ("John", "Smith Jr.")),
    ("John Smith, PhD", ("John", "Smith")),
    ("John Smith, MBA, PhD", ("John", "Smith")),
    ("Berlin, Germany, Europe", None),
    ("Jean DUPONT", ("Jean", "Dupont")),
    ("DUPONT Jean", ("Jean", "Dupont")),
    ("Ana de la CRUZ", ("Ana", "de la Cruz")),
    ("GARCÍA LÓPEZ María José", ("María José", "García López")),
    ("ANA López", ("Ana", "López")),
    # titles, suffixes, nicknames
    ("Dr. Ada Brandt", ("Ada", "Brandt")),
    ("Prof. Dr. Ada Brandt", ("Ada", "Brandt")),
    ("Dipl.-Ing. Ada Brandt", ("Ada", "Brandt")),
    ("Herr Dr. med. Otto Brandt", ("Otto", "Brandt")),
    ("Sra. Ana López", ("Ana", "López")),
    ("Lic. Ana López", ("Ana", "López")),
    ("D. José García", ("José", "García")),
    ("D. López", ("D.", "López")),
    ("Don Draper", ("Don", "Draper")),
    ("Don Luis García", ("Luis", "García")),
    ("M. Dupont", ("M.", "Dupont")),
    ("Julia Herr", ("Julia", "Herr")),
    ("Robert Downey Jr.", ("Robert", "Downey Jr.")),
    ("Albert Whitlock IV", ("Albert", "Whitlock IV")),
    ("Ada Brandt MBA", ("Ada", "Brandt")),
    ('William "Bill" Gates', ("William", "Gates")),
    ("William (Bill) Gates", ("William", "Gates")),
    ("William 'Bill' Gates", ("William", "Gates")),
    ("Ada O'Neill", ("Ada", "O'Neill")),
    ("Ada Brandt ❤️", ("Ada", "Brandt")),
    ("Smith Jr", None),
    ("William (Bill Gates", None),
    # frequent given and family names
    ("Ana María López", ("Ana María", "López")),
    ("Juan Carlos Pérez", ("Juan Carlos", "Pérez")),
    ("Ma. Guadalupe Pérez", ("Ma. Guadalupe", "Pérez")),
    ("Ana López García", ("Ana", "López García")),
    ("María García López", ("María", "García López")),
    ("María José Hernández García", ("María José", "Hernández García")),
    ("MARÍA JOSÉ HERNÁNDEZ GARCÍA", ("María José", "Hernández García")),
    ("Yago Rodrigues da Pacheco", ("Yago", "Rodrigues da Pacheco")),
    ("Ana Martín Pérez", None),
    ("García López Ana", None),
    ("Brandt Ada", None),
    ("Ada Xolotl Brandt", None),
    ("李 小龙", None),
    ("Nguyen Van An", None),
    ("Nguyễn Thị Mai", None),
    ("Zhang Wei", None),
    ("Wei Zhang", ("Wei", "Zhang")),
    ("金子 Ada", None),
]
IN_SPAIN_AND_AMERICA = [
    ("María José Hernández García", "MX", ("María José", "Hernández García")),
    ("Ana Xolotl Citli", "MX", ("Ana", "Xolotl Citli")),
    ("Citlali López García", "MX", ("Citlali", "López García")),
    ("José Hernán Ruiz Díaz", "AR", ("José Hernán", "Ruiz Díaz")),
    ("Juan Martín López García", "ES", ("Juan Martín", "López García")),
    ("Juan Martín López", "ES", None),
    ("Juan Daniel Casals", "ES", ("Juan Daniel", "Casals")),
    ("Ana María Martín López", "ES", ("Ana María", "Martín López")),
    ("Ana López de la Torre", "ES", ("Ana", "López de la Torre")),
    ("Ana de la Torre López", "CO", ("Ana", "de la Torre López")),
    ("María del Carmen Ruiz Gil", "ES", ("María del Carmen", "Ruiz Gil")),
    ("José de Jesús Pérez Rivas", "MX", ("José de Jesús", "Pérez Rivas")),
    ("Ana S. López G.", "MX", ("Ana S.", "López G.")),
    ("María José G. L.", "MX", ("María José", "G. L.")),
    ("Ing. Luis Pérez Xolotl", "MX", ("Luis", "Pérez Xolotl")),
    ("Santiago Ramón y Cajal", "ES", ("Santiago", "Ramón y Cajal")),
    ("José Luis Rodríguez", "PE", ("José Luis", "Rodríguez")),
    ("López García Ana", "CL", None),
    ("Ana Uno Dues Tres Cuatro", "ES", None),
]
IN_PORTUGAL_AND_BRAZIL = [
    ("Ana Beatriz de Souza Lima", "BR", ("Ana Beatriz", "de Souza Lima")),
    ("Ana Souza Lima", "BR", ("Ana", "Souza Lima")),
    ("Yara Xavante Lima", "BR", ("Yara", "Xavante Lima")),
    ("Pedro Henrique Souza Lima Costa", "BR", ("Pedro Henrique", "Souza Lima Costa")),
    ("Carlos Alberto Silva Filho", "BR", ("Carlos Alberto", "Silva Filho")),
    ("José Carlos Souza Neto", "BR", ("José Carlos", "Souza Neto")),
    ("Carlos Souza Júnior", "BR", ("Carlos", "Souza Júnior")),
    ("MARIA DAS GRAÇAS SILVA", "BR", ("Maria das Graças", "Silva")),
    ("Maria Eduarda da Paz", "BR", ("Maria Eduarda", "da Paz")),
    ("João dos Santos", "PT", ("João", "dos Santos")),
    ("Sr. Dante Rodrigues da Mota", "BR", ("Dante", "Rodrigues da Mota")),
    ("Ana Vicente Lima", "PT", None),
]
WHERE_PEOPLE_HAVE_ONE = [
    ("Mary Todd Lincoln", "US", ("Mary Todd", "Lincoln")),
    ("John Michael Smith", "GB", ("John Michael", "Smith")),
    ("George Herbert Walker Bush", "US", ("George Herbert Walker", "Bush")),
    ("Ada Xolotl Brandt", "DE", ("Ada Xolotl", "Brandt")),
    ("Anne Sophie Mutter", "DE", ("Anne Sophie", "Mutter")),
    ("Otto Karl von Trapp", "AT", ("Otto Karl", "von Trapp")),
    ("Jean Paul Durand", "FR", ("Jean Paul", "Durand")),
    ("Maria Garcia Lopez", "US", ("Maria", "Garcia Lopez")),
    ("Emilia Merino Xolotl", "US", None),  # is Merino her middle or her father's name?
    ("Guillermo Orosco Limón", "US", None),
    ("Jan van der Berg", "NL", ("Jan", "van der Berg")),
]
ONE_PART_ONLY = [
    ("Ana María", (("Ana María"), None)),
    ("Ana", ("Ana", None)),
    ("William", ("William", None)),
    ("Brandt", (None, None)),
    ("Herr Brandt", (None, "Brandt")),
    ("Mrs. Brandt", (None, "Brandt")),
    ("Sra. Ana", ("Ana", None)),
    ("Sra. Brandt", (None, None)),
    ("Dr Brandt", (None, None)),
    ("Mr Thomas", (None, None)),
    ("J. R.", (None, None)),
    ("Dr.", (None, None)),
]
NOT_ONE_PERSON = [
    "Ana y Luis",
    "Ana y Luis García",
    "Ana & Luis",
    "Smith & Jones",
    "Familie Müller",
    "Acme GmbH",
    "Acme & Co",
    "Constructora López S.A. de C.V.",
    "ada@example.org x",
    "Ada2 Brandt",
    ".",
    "",
    "   ",
]


def certain_parts(name, country=None):
    """(given, family) where both are certain, else None."""
    parts = split_name(name, country)
    return None if None in parts else parts


@pytest.mark.parametrize(("name", "parts"), ANYWHERE)
def test_a_whole_name_is_split_by_what_stands_in_it(name, parts):
    assert certain_parts(name) == parts


@pytest.mark.parametrize(
    ("name", "country", "parts"), [*IN_SPAIN_AND_AMERICA, *IN_PORTUGAL_AND_BRAZIL, *WHERE_PEOPLE_HAVE_ONE]
)
def test_where_that_does_not_tell_the_custom_of_the_country_does(name, country, parts):
    assert certain_parts(name, country) == parts


@pytest.mark.parametrize(("name", "parts"), ONE_PART_ONLY)
def test_a_name_with_one_part_gives_one_part(name, parts):
    assert split_name(name) == parts
    assert None in parts


@pytest.mark.parametrize("name", NOT_ONE_PERSON)
def test_what_is_not_one_person_is_not_split(name):
    assert split_name(name, "ES") == (None, None)


@pytest.mark.parametrize("country", ["HU", "CN", "JP", "KR", "VN"])
def test_a_name_of_a_country_where_the_family_name_comes_first_is_not_split(country):
    assert split_name("Nagy Anna", country) == (None, None)
    assert split_name("Anna Nagy", country) == (None, None)
    assert split_name("Anna Nagy", "ES") == ("Anna", "Nagy")


@given(st.text(max_size=80), st.sampled_from([None, "ES", "BR", "DE", "HU", "?"]))
def test_any_text_is_split_or_not_but_nothing_is_made_up(text, country):
    given_name, family_name = split_name(text, country)
    letters = {character for character in text.casefold() if character.isalnum()}
    for part in (given_name, family_name):
        assert (
            part is None
            or {character for character in part.casefold() if character.isascii() and character.isalnum()} <= letters
        )
