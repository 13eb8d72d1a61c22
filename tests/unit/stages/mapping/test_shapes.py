"""Lists of `{name, values}` read by name, columns read by other titles, and what nobody decided about in either."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.records import Envelope, Lead, RawEvent
from pipeline.stages.mapping.bodies import ROW
from pipeline.stages.mapping.language import ListRule
from pipeline.stages.mapping.shapes import Headers, compile_list
from pipeline.stages.mapping.source_mapping import map_event, read_source_mapping, undecided
from tests.support.mapped_records import map_record

META = ListRule("field_data", ("name",), ("values",))
GOOGLE = ListRule("user_column_data", ("column_id",), ("string_value",), ("column_name",))
SHOP = ListRule("order.note_attributes", ("name",), ("value",))
TYPEFORM = ListRule(
    "answers",
    ("field.ref", "field.id"),
    ("text", "email", "boolean", "number", "choice.label", "choices.labels"),
    ("type",),
)

# declaration, the list as it comes, what rules read by name, what stands beside it because nobody asked for it
LISTS = [
    (META, [{"name": "email", "values": ["ada@example.org"]}], {"email": "ada@example.org"}, {}),
    (META, [{"name": "topics", "values": ["a", "b"]}], {"topics": ["a", "b"]}, {}),
    (META, [{"name": "email", "values": []}], {"email": None}, {}),
    (META, [{"name": "email", "values": None}], {"email": None}, {}),
    (META, [{"name": "email"}], {"email": None}, {}),
    (META, [{"name": "email", "values": "ada@example.org"}], {"email": "ada@example.org"}, {}),
    (META, [{"name": "employees", "values": [0]}], {"employees": 0}, {}),
    (META, [{"name": "opt_in", "values": [False]}], {"opt_in": False}, {}),
    (META, [{"name": " email ", "values": ["a"]}], {"email": "a"}, {}),
    (META, [{"name": 7, "values": ["a"]}], {"7": "a"}, {}),
    (META, [{"name": "which_product?", "values": ["CRM"]}], {"which_product?": "CRM"}, {}),
    (META, [{"name": "a", "values": ["1"]}, {"name": "b", "values": ["2"]}], {"a": "1", "b": "2"}, {}),
    # a name that occurs twice
    (
        META,
        [{"name": "a", "values": ["1"]}, {"name": "a", "values": ["2"]}],
        {"a": "1"},
        {"field_data[1]": {"name": "a", "values": ["2"]}},
    ),
    (META, [{"name": "a", "values": [""]}, {"name": "a", "values": ["2"]}], {"a": "2"}, {}),
    (META, [{"name": "a", "values": []}, {"name": "a", "values": ["2"]}], {"a": "2"}, {}),
    (META, [{"name": "a", "values": ["1"]}, {"name": "a", "values": []}], {"a": "1"}, {}),
    (META, [{"name": "a", "values": ["1"]}, {"name": "a", "values": ["1"]}], {"a": "1"}, {}),
    (
        META,
        [{"name": "a", "values": [0]}, {"name": "a", "values": [3]}],
        {"a": 0},
        {"field_data[1]": {"name": "a", "values": [3]}},
    ),
    # entries that are none
    (META, ["a"], {}, {"field_data[0]": "a"}),
    (META, [None], {}, {"field_data[0]": None}),
    (META, [["name", "a"]], {}, {"field_data[0]": ["name", "a"]}),
    (META, [{"values": ["1"]}], {}, {"field_data[0]": {"values": ["1"]}}),
    (META, [{"name": "", "values": ["1"]}], {}, {"field_data[0]": {"name": "", "values": ["1"]}}),
    (META, [{"name": True, "values": ["1"]}], {}, {"field_data[0]": {"name": True, "values": ["1"]}}),
    (META, [{"name": ["a"], "values": ["1"]}], {}, {"field_data[0]": {"name": ["a"], "values": ["1"]}}),
    (META, [{"name": {"a": 1}, "values": ["1"]}], {}, {"field_data[0]": {"name": {"a": 1}, "values": ["1"]}}),
    (META, [{"name": "x" * 256, "values": ["1"]}], {}, {"field_data[0]": {"name": "x" * 256, "values": ["1"]}}),
    (META, [{"name": 10**20, "values": ["1"]}], {}, {"field_data[0]": {"name": 10**20, "values": ["1"]}}),
    (META, [{"name": "a", "values": ["1"], "label": "A"}], {"a": "1"}, {"field_data[0].label": "A"}),
    (META, [{"name": "a", "values": [{"deep": 1}]}], {"a": {"deep": 1}}, {}),
    # what is no list stays as it is
    (META, {"email": "a"}, {"email": "a"}, {}),
    (META, "email=a", "email=a", {}),
    (META, [], [], {}),
    (META, None, None, {}),
    # other senders' names for the same
    (
        GOOGLE,
        [
            {"column_id": "FULL_NAME", "column_name": "Full Name", "string_value": "Ada Brandt"},
            {"column_id": "EMAIL", "string_value": "ada@example.org"},
        ],
        {"FULL_NAME": "Ada Brandt", "EMAIL": "ada@example.org"},
        {},
    ),
    (GOOGLE, [{"column_id": "EMAIL", "string_value": ""}], {"EMAIL": None}, {}),
    (
        GOOGLE,
        [{"column_id": "EMAIL", "string_value": "a", "boolean_value": True}],
        {"EMAIL": "a"},
        {"user_column_data[0].boolean_value": True},
    ),
    (SHOP, [{"name": "utm_campaign", "value": "brand"}], {"utm_campaign": "brand"}, {}),
    (SHOP, [{"name": "utm.campaign", "value": "brand"}], {"utm.campaign": "brand"}, {}),
    (
        TYPEFORM,
        [
            {"type": "email", "email": "a@example.org", "field": {"id": "f1", "ref": "mail"}},
            {"type": "choices", "choices": {"labels": ["x", "y"]}, "field": {"id": "f2"}},
            {"type": "boolean", "boolean": False, "field": {"ref": "opt_in"}},
            {"type": "choice", "choice": {"label": "CRM"}, "field": {"ref": "product"}},
            {"type": "number", "number": 0, "field": {"ref": "employees"}},
        ],
        {"mail": "a@example.org", "f2": ["x", "y"], "opt_in": False, "product": "CRM", "employees": 0},
        {},
    ),
    (
        TYPEFORM,
        [{"type": "date", "date": "2026-03-02", "field": {"ref": "when"}}],
        {"when": None},
        {"answers[0].date": "2026-03-02"},
    ),
]  # fmt: skip


def record_with(rule: ListRule, value: object) -> dict:
    keys = rule.at.split(".")
    for key in reversed(keys):
        value = {key: value}
    return {"id": 1, **value}


@pytest.mark.parametrize(("rule", "entries", "named", "rest"), LISTS)
def test_a_list_of_names_and_values_reads_as_an_object(rule, entries, named, rest):
    record = record_with(rule, entries)
    before = copy.deepcopy(record)
    assert compile_list(rule)(record) == {**record_with(rule, named), **rest}
    assert record == before, "the record itself is left as it is"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["name", "values", "x", ""]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # busy machines draw nested records slowly
@given(st.dictionaries(st.sampled_from(["field_data", "order", "answers", "id"]), JSON, max_size=4))
def test_any_record_has_a_shape_and_a_shaped_one_keeps_it(record):
    for rule in (META, SHOP, TYPEFORM):
        shape = compile_list(rule)
        shaped = shape(record)
        assert shape(shaped) == shaped


HEADERS = {
    "Email": ["E-mail", "Correo electrónico", "Adresse e-mail"],
    "Phone": ["Tel.", "Teléfono", "Telefon"],
    "Név": [],
}
# columns of a file -> what each is called in the rules
TITLES = [
    (["Email"], {}),
    (["E-mail"], {"E-mail": "Email"}),
    (["e mail"], {"e mail": "Email"}),
    (["EMAIL"], {"EMAIL": "Email"}),
    (["email:"], {"email:": "Email"}),
    (["  Email  "], {"  Email  ": "Email"}),
    (["CORREO ELECTRONICO"], {"CORREO ELECTRONICO": "Email"}),
    (["correo_electrónico"], {"correo_electrónico": "Email"}),
    (["Correo-Electro\u0301nico"], {"Correo-Electro\u0301nico": "Email"}),
    (["adresse e-mail *"], {"adresse e-mail *": "Email"}),
    (["tel"], {"tel": "Phone"}),
    (["Tel.:"], {"Tel.:": "Phone"}),
    (["TELEFON"], {"TELEFON": "Phone"}),
    (["telefono"], {"telefono": "Phone"}),
    (["nev"], {"nev": "Név"}),
    (["NÉV"], {"NÉV": "Név"}),
    (["Email", "E-mail"], {}),
    (["E-mail", "Email"], {}),
    (["Adresse e-mail", "E-mail"], {"E-mail": "Email"}),
    (["Correo electrónico", "Adresse e-mail"], {"Correo electrónico": "Email"}),
    (["E-mail", "e-mail "], {"E-mail": "Email"}),
    (["EMAIL", "E-mail"], {"EMAIL": "Email"}),
    (["E-mail", "Telefon"], {"E-mail": "Email", "Telefon": "Phone"}),
    (["Mail"], {}),
    (["Emails"], {}),
    ([""], {}),
    (["***"], {}),
    (["x" * 300], {}),
    ([], {}),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "renames"), TITLES)
def test_a_column_is_known_by_its_other_titles(columns, renames):
    assert Headers(HEADERS).renames(dict.fromkeys(columns, "x")) == renames


@given(st.lists(st.text(max_size=20), unique=True, max_size=8))
def test_no_two_columns_ever_get_one_name(columns):
    renames = Headers(HEADERS).renames(dict.fromkeys(columns))
    assert len({renames.get(column, column) for column in columns}) == len(columns)


def test_plans_are_made_once_per_header_and_bounded():
    headers = Headers(HEADERS)
    assert headers.renames({"E-mail": 1}) is headers.renames({"E-mail": 2})
    for number in range(1_000):
        headers.renames({f"column {number}": 1})
    assert headers._plan.cache_info().currsize == headers._plan.cache_info().maxsize == 256
    before = headers._plan.cache_info().misses
    assert headers.renames({"E-mail": 1, "x" * 40_000: 1}) == {"E-mail": "Email"}
    assert headers._plan.cache_info().misses == before, "a header of tens of kilobytes is not kept"


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(
        """
source: acme
version: 1
headers: {Email: [E-mail], Company: [Firma, Empresa]}
lists: [{at: field_data, name: name, values: values}]
lead:
  email: {from: [field_data.email, Email], required: true}
  company: Company
  message: field_data.q.1
touch: {utm_source: field_data.utm.source}
ignored: [field_data.token]
kept: [field_data.size]
""",
        encoding="utf-8",
    )
    return read_source_mapping(path)


def test_rules_read_lists_by_name_and_columns_by_alias(mapping):
    record = {
        "field_data": [
            {"name": "email", "values": ["ada@example.org"]},
            {"name": "token", "values": ["t"]},
            {"name": "size", "values": ["38"]},
            {"name": "q.1", "values": ["Hi"]},
            {"name": "utm.source", "values": ["meta"]},
            {"name": "shoe", "values": ["red"]},
            {"name": "email", "values": ["b@example.org"]},
        ],
        "EMPRESA": "Brandt",
    }
    mapped = map_record(mapping, record)
    assert mapped.fields == {"email": "ada@example.org", "company": "Brandt", "message": "Hi", "utm_source": "meta"}
    assert mapped.custom == {
        "field_data.size": "38",
        "field_data.shoe": "red",
        "field_data[6]": {"name": "email", "values": ["b@example.org"]},
    }
    assert undecided(mapping, record) == ["field_data.shoe", "field_data[6]"]
    assert mapped.undecided == ["field_data.shoe", "field_data[*]"]


def test_a_list_of_which_no_rule_reads_anything_is_still_asked_entry_by_entry(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(
        "source: acme\nversion: 1\nlead: {email: mail}\nlists: [{at: a.b, name: n, values: v}]\n", encoding="utf-8"
    )
    record = {"mail": "x", "a": {"b": [{"n": "one", "v": 1}, {"n": "two", "v": 2}], "c": 3}}
    assert undecided(read_source_mapping(path), record) == ["a.b.one", "a.b.two", "a.c"]


@pytest.mark.parametrize(
    ("columns", "is_read"),
    [
        (["Email"], True),
        (["e-mail", "x"], True),
        (["FIRMA"], True),
        (["x", "y"], False),
        (["field_data"], False),
        ([], False),
    ],
)
def test_a_table_is_known_by_the_columns_that_rules_read(mapping, columns, is_read):
    assert mapping.reads(columns) is is_read


def test_what_is_only_ignored_is_not_read(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text("source: acme\nversion: 1\nlead: {email: mail}\nignored: [Index]\n", encoding="utf-8")
    mapping = read_source_mapping(path)
    assert not mapping.reads(["Index", "other"])
    assert mapping.reads(["Index", "mail"])


@pytest.mark.parametrize("column", ["Fecha", "When"])
@pytest.mark.parametrize(("order", "expected"), [("dmy", "2026-04-03T00:00:00Z"), ("mdy", "2026-03-04T00:00:00Z")])
def test_the_order_of_a_column_s_dates_is_known_by_either_name(tmp_path, column, order, expected):
    path = tmp_path / "acme.yaml"
    path.write_text(
        "source: acme\nversion: 1\nlead: {email: mail, occurred_at: {from: When, as: date}}\n"
        "headers: {When: [Fecha]}\n",
        encoding="utf-8",
    )
    row = Envelope(ROW, orjson.dumps({"mail": "a@example.org", "Fecha": "03/04/2026"}), {}, {"dates": {column: order}})
    now = datetime(2026, 5, 1, tzinfo=UTC)
    raw = RawEvent(UUID(int=1), "default", "acme", "bulk", now, None, row)
    lead = map_event(raw, mapping=read_source_mapping(path))
    assert isinstance(lead, Lead)
    assert lead.fields["occurred_at"] == expected
