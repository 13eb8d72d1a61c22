"""What stands in a field for names and is no name, or more than one; and how the fields of a lead come to agree."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Lead
from pipeline.stages.normalization import normalize_lead
from pipeline.values.names.completion import Names, complete_names
from pipeline.values.names.names import normalize_family_name, normalize_full_name, normalize_given_name

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)

FLAGGED = [
    # nobody's name
    (".", None, "placeholder"),
    ("-", None, "placeholder"),
    ("--", None, "placeholder"),
    ("?", None, "placeholder"),
    ("\u2014", None, "placeholder"),
    ("n/a", None, "placeholder"),
    ("N/A", None, "placeholder"),
    ("null", None, "placeholder"),
    ("Apellido", None, "placeholder"),
    ("Nombre y apellidos", None, "placeholder"),
    ("First Name", None, "placeholder"),
    ("sobrenome", None, "placeholder"),
    ("Nachname", None, "placeholder"),
    ("No aplica", None, "placeholder"),
    ("xxx", None, "placeholder"),
    # addresses
    ("ada@example.org", None, "email_in_name"),
    ("<ada@example.org>", None, "email_in_name"),
    ("Ada Brandt <ada@example.org>", "Ada Brandt", "email_in_name"),
    ("Ada Brandt ada@example.org", "Ada Brandt", "email_in_name"),
    ("600 111 222", None, "phone_in_name"),
    ("+34 600-111-222", None, "phone_in_name"),
    ("Ada Brandt 600111222", "Ada Brandt", "phone_in_name"),
    ("Ada Brandt (030) 1234567", "Ada Brandt", "phone_in_name"),
    ("Ada2", "Ada2", "digits_in_name"),
    ("Ada 123", "Ada 123", "digits_in_name"),
    ("123", None, "digits_in_name"),
    # signs
    ("Ada Brandt \u2764\ufe0f", "Ada Brandt", "emoji_removed"),
    ("\U0001f1f2\U0001f1fd ada brandt", "Ada Brandt", "emoji_removed"),
    ("Ada \U0001f469\u200d\U0001f4bb Brandt", "Ada Brandt", "emoji_removed"),
    ("\u2728", None, "emoji_removed"),
    # companies
    ("Brandt GmbH", "Brandt GmbH", "company_in_name"),
    ("BRANDT GMBH", "BRANDT GMBH", "company_in_name"),
    ("Constructora López S.A. de C.V.", "Constructora López S.A. de C.V.", "company_in_name"),
    ("Constructora López", "Constructora López", "company_in_name"),
    ("Acme Inc.", "Acme Inc.", "company_in_name"),
    ("Acme, Inc.", "Acme, Inc.", "company_in_name"),
    ("Souza Comércio Ltda", "Souza Comércio Ltda", "company_in_name"),
    ("Grupo Norte S.A.", "Grupo Norte S.A.", "company_in_name"),
    ("Clínica López", "Clínica López", "company_in_name"),
    ("Brandt & Söhne", "Brandt & Söhne", "company_in_name"),
    ("Northwind Solutions", "Northwind Solutions", "company_in_name"),
    # several people
    ("Ana y Luis", "Ana y Luis", "several_people"),
    ("Ana y Luis García", "Ana y Luis García", "several_people"),
    ("ANA Y LUIS", "Ana y Luis", "several_people"),
    ("Ana & Luis", "Ana & Luis", "several_people"),
    ("Ana + Luis", "Ana + Luis", "several_people"),
    ("Ana / Luis", "Ana / Luis", "several_people"),
    ("Ana e João", "Ana e João", "several_people"),
    ("John and Mary Smith", "John and Mary Smith", "several_people"),
    ("Anna und Otto Brandt", "Anna und Otto Brandt", "several_people"),
    ("Mr & Mrs Smith", "Mr & Mrs Smith", "several_people"),
    ("Herr und Frau Müller", "Herr und Frau Müller", "several_people"),
    ("Sr. y Sra. López", "Sr. y Sra. López", "several_people"),
    ("Familie Müller", "Familie Müller", "several_people"),
]
UNFLAGGED = [
    "Null", "Na", "Ma", "Li", "O", "Ana S.A.", "Maria Sa", "María Sá", "José Ortega y Gasset", "Ana López y García",
    "Ana Ortega y Martín", "John E Smith", "JOHN E SMITH", "Maria Costa e Silva", "Santiago Ramón y Cajal", "St. John",
    "Álvaro de la Hoz", "Smith-Jones", "Jean-Luc", "John Smith 3rd", "Ana Grande", "Kim Holding-Ford", "李小龙", "Ада",
]  # fmt: skip
TITLES = [
    ("Dr. Ada", "Ada"),
    ("Sra. Ana", "Ana"),
    ("Prof. Dr. Ada", "Ada"),
    ("Dipl.-Ing. Ada", "Ada"),
    ("MR. JOHN", "John"),
    ("Dona Maria", "Maria"),
]
COMPLETED = [
    (Names("Ada", "Brandt", None), None, Names("Ada", "Brandt", "Ada Brandt"), ()),
    (Names(None, None, "Ada Brandt"), None, Names("Ada", "Brandt", "Ada Brandt"), ()),
    (Names("Ada", "Brandt", "A. Brandt"), None, Names("Ada", "Brandt", "A. Brandt"), ()),
    (Names(None, None, "Ana María"), None, Names("Ana María", None, "Ana María"), ()),
    (
        Names(None, None, "Ana Martín Pérez"),
        "ES",
        Names(None, None, "Ana Martín Pérez"),
        ("full_name split_uncertain",),
    ),
    (Names(None, None, "Brandt"), None, Names(None, None, "Brandt"), ("full_name split_uncertain",)),
    (Names(None, None, "李小龙"), None, Names(None, None, "李小龙"), ("full_name split_uncertain",)),
    (Names(None, None, "Acme GmbH"), None, Names(None, None, "Acme GmbH"), ()),
    (Names(None, None, "Ana y Luis"), None, Names(None, None, "Ana y Luis"), ()),
    # one of them beside the whole
    (Names("Ada", None, "Ada Brandt"), None, Names("Ada", "Brandt", "Ada Brandt"), ()),
    (Names(None, "Brandt", "Ada Brandt"), None, Names("Ada", "Brandt", "Ada Brandt"), ()),
    (Names("Ana", None, "Ana María López"), None, Names("Ana", None, "Ana María López"), ()),
    (Names("Ana", None, "Luis López"), None, Names("Ana", None, "Luis López"), ()),
    (Names("Ana", None, "Ana María"), None, Names("Ana", None, "Ana María"), ()),
    (Names("Ada", None, "Ada GmbH"), None, Names("Ada", None, "Ada GmbH"), ()),
    # the whole name in a field for a part of it
    (
        Names("Ana López", None, None),
        None,
        Names("Ana", "López", "Ana López"),
        ("first_name whole_name_in_first_name",),
    ),
    (
        Names("Ana María López García", None, None),
        "MX",
        Names("Ana María", "López García", "Ana María López García"),
        ("first_name whole_name_in_first_name",),
    ),
    (Names("Ana María", None, None), None, Names("Ana María", None, None), ()),
    (Names("Xolotl Citli", None, None), None, Names("Xolotl Citli", None, None), ()),
    (Names("Ada", None, None), None, Names("Ada", None, None), ()),
    (Names(None, "Ana López", None), None, Names("Ana", "López", "Ana López"), ("last_name whole_name_in_last_name",)),
    (Names(None, "García López", None), "ES", Names(None, "García López", None), ()),
    (Names(None, "Martín López", None), "ES", Names(None, "Martín López", None), ()),
    (Names(None, "de la Cruz", None), None, Names(None, "de la Cruz", None), ()),
    (
        Names("Ana López", "López", None),
        None,
        Names("Ana", "López", "Ana López"),
        ("first_name whole_name_in_first_name",),
    ),
    (Names("Ana", "Ana López", None), None, Names("Ana", "López", "Ana López"), ("last_name whole_name_in_last_name",)),
    (
        Names("Juan Martín", "Martín", "Juan Martín Martín"),
        None,
        Names("Juan Martín", "Martín", "Juan Martín Martín"),
        (),
    ),
    (Names("Luna", "Luna", None), None, Names("Luna", "Luna", "Luna Luna"), ("last_name same_first_and_last",)),
    (
        Names("Ana López", "Ana López", None),
        None,
        Names("Ana", "López", "Ana López"),
        ("last_name same_first_and_last",),
    ),
    (
        Names("Ana Martín Pérez", "Ana Martín Pérez", None),
        None,
        Names("Ana Martín Pérez", "Ana Martín Pérez", "Ana Martín Pérez"),
        ("last_name same_first_and_last",),
    ),
    (Names("Acme GmbH", "Acme GmbH", None), None, Names("Acme GmbH", "Acme GmbH", "Acme GmbH"), ()),
    (Names("Ana", "López, Luis", None), None, Names("Ana", "López, Luis", None), ()),  # the comma would turn it round
    (Names(None, None, None), None, Names(None, None, None), ()),
]


@pytest.mark.parametrize(("text", "name", "flag"), FLAGGED)
def test_what_is_not_one_persons_name_is_flagged_and_the_raw_text_kept(text, name, flag):
    found = normalize_full_name(text)
    assert (found.value, found.flags) == (name, (flag,))
    assert found.raw == (None if name == text else text)


@pytest.mark.parametrize(("text", "name", "flag"), FLAGGED)
def test_the_same_in_the_fields_for_parts_of_a_name(text, name, flag):
    for normalize in (normalize_given_name, normalize_family_name):
        assert flag in normalize(text).flags
        assert normalize(text).value is None or name is not None


@pytest.mark.parametrize("name", UNFLAGGED)
def test_names_that_only_look_like_something_else_are_left_alone(name):
    for normalize in (normalize_given_name, normalize_family_name, normalize_full_name):
        assert normalize(name).flags == ()
        assert normalize(name).value is not None


@pytest.mark.parametrize(("text", "name"), TITLES)
def test_a_title_is_no_part_of_a_first_or_last_name(text, name):
    assert normalize_given_name(text)[:3] == (name, ("title_removed",), text)
    assert normalize_full_name(text).flags == ()


@pytest.mark.parametrize(("names", "country", "completed", "flags"), COMPLETED)
def test_the_fields_of_a_name_are_completed_where_that_is_certain(names, country, completed, flags):
    found = complete_names(names, country=country)
    assert found.names == completed
    assert tuple(" ".join(flag) for flag in found.flags) == flags


def lead(**fields) -> Lead:
    return Lead(
        event_id=UUID(int=1),
        brand="default",
        source="api",
        lane="hot",
        received_at=NOW,
        occurred_at=NOW,
        mapping_version="x@1",
        fields={"email": "a@example.org", **fields},
    )


def normalized(found: Lead) -> Lead:
    again = normalize_lead(found, default_region=None)
    assert isinstance(again, Lead)
    return again


def test_the_region_decides_where_no_country_is_known():
    assert normalized(lead(full_name="Ana Xolotl Citli", region="MX")).fields["last_name"] == "Xolotl Citli"
    assert normalized(lead(full_name="Ana Xolotl Citli", region="MX", country="HU")).fields.get("last_name") is None


def test_the_comma_a_name_came_with_still_tells_once_it_is_turned_round():
    fields = normalized(lead(full_name="Xolotl Citli, Ana Uno")).fields
    assert (fields["first_name"], fields["last_name"]) == ("Ana Uno", "Xolotl Citli")
    assert fields["full_name"] == "Ana Uno Xolotl Citli"


def test_a_placeholder_for_the_last_name_lets_the_first_name_be_read_as_the_whole():
    found = normalized(lead(first_name="ANA LÓPEZ", last_name="."))
    assert (found.fields["first_name"], found.fields["last_name"]) == ("Ana", "López")
    assert found.raw["first_name"] == "ANA LÓPEZ"
    assert found.raw["last_name"] == "."
    assert found.flags["last_name"] == ["placeholder"]
    assert found.flags["first_name"] == ["whole_name_in_first_name"]


# fmt: off
WORDS = st.sampled_from((
    "Ana", "LUIS", "maría", "López", "García", "de", "la", "y", "Dr.", "Jr.", "Filho", "Martín", "J.", "Xolotl",
    "BRANDT", ",", "GmbH", ".", "n/a", "Mrs", "van", "\u2764", "(Bill)", "del", "Carmen", "E", "von", "Luna",
))
# fmt: on
NAME = st.one_of(st.none(), st.lists(WORDS, max_size=5).map(" ".join), st.text(max_size=30))


@given(first=NAME, last=NAME, full=NAME, country=st.sampled_from([None, "ES", "BR", "US", "HU"]))
def test_the_names_of_a_lead_normalized_twice_are_as_normalized_once(first, last, full, country):
    fields = {"first_name": first, "last_name": last, "full_name": full, "country": country}
    once = normalized(lead(**{field: value for field, value in fields.items() if value is not None}))
    twice = normalized(once)
    assert twice.fields == once.fields
    assert twice.raw == once.raw
