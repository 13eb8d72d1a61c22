"""Bodies as senders post them become records; unreadable ones are refused with their place."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit import Connector, Webhook
from connectors.kit.sources.records import UnreadableBody, decode_body, split_records
from pipeline.stages.mapping.bodies import decode_body as decode_stored_body

FORM = "application/x-www-form-urlencoded"


def connector(**more):
    intake = Webhook(records_at=more.pop("records_at", None), formats=more.pop("formats", ("json", "form", "text")))
    return Connector(source="s", title="", owner="", docs_url="", intake=intake, **more)


def records(body, content_type="application/json", **more):
    return split_records(connector(**more), body, content_type)


def refusal(body, content_type="application/json", **more):
    with pytest.raises(UnreadableBody) as caught:
        records(body, content_type, **more)
    return caught.value


def test_one_object_is_one_record_and_a_list_is_several():
    assert records(b'{"a":1}') == [{"a": 1}]
    assert records(b'[{"a":1},{"a":2}]') == [{"a": 1}, {"a": 2}]
    assert records(b'{"entries":[{"a":1},{"a":2}]}', records_at="entries") == [{"a": 1}, {"a": 2}]
    assert records(b'{"entries":{"a":1}}', records_at="entries") == [{"a": 1}]
    assert records(b'{"entries":[]}', records_at="entries") == []


def test_unreadable_json_names_line_and_column_but_nothing_of_the_body():
    error = refusal(b'{"email": "ada@example.org",\n  "phone": oops}')
    assert (error.code, error.line, error.column) == ("unreadable_json", 2, 12)
    assert "line 2, column 12" in str(error)
    assert "example.org" not in str(error)
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "body", [b"", b"  \n", b'"text"', b"42", b"null", b"[1]", b"[null,7]", b"\xff\xfe\xfa", b"[" * 5000]
)
def test_what_is_no_record_is_refused(body):
    assert refusal(body).code in {"empty_body", "not_an_object", "unreadable_json", "undecodable_text"}


def test_a_number_that_no_integer_holds_costs_the_body_nothing_but_its_type():
    body = b'{"email":"a@example.org","small":7,"big":%s,"endless":-%s,"float":1e400}' % (b"9" * 400, b"1" * 6000)
    (record,) = records(body)
    assert record == {
        "email": "a@example.org",
        "small": 7,
        "big": "9" * 400,
        "endless": "-" + "1" * 6000,
        "float": None,
    }


def test_a_missing_list_of_records_is_refused_by_its_path():
    assert "entries" in refusal(b'{"a":1}', records_at="entries").message


def test_json_is_read_under_text_plain_only_where_the_source_declares_it():
    assert records(b'{"a":1}', "text/plain;charset=UTF-8") == [{"a": 1}]
    assert refusal(b'{"a":1}', "text/plain", formats=("json",)).code == "content_type_not_accepted"


def test_vendor_json_types_a_missing_type_and_a_byte_order_mark_are_fine():
    for kind in ("application/vnd.acme+json; charset=utf-8", None, "", "text/json"):
        assert records(b'\xef\xbb\xbf{"a":1}', kind) == [{"a": 1}]


def test_long_ids_stay_exact():
    assert records(b'{"id":7123456789012345678}') == [{"id": 7123456789012345678}]


def test_half_an_emoji_and_nan_do_not_lose_a_lead():
    assert records(b'{"message":"call me \\ud83d","n":NaN}') == [{"message": "call me \ufffd", "n": None}]
    assert records('{"m":"ñ"}'.encode("utf-16")) == [{"m": "ñ"}]
    assert records('{"m":"ñ"}'.encode("latin-1"), "application/json; charset=iso-8859-1") == [{"m": "ñ"}]


def test_repeated_form_keys_and_brackets_become_lists():
    body = b"email=a%40example.org&interest=CRM&interest=ERP&interest=BI&size%5B%5D=38&empty=&plus=a+b"
    assert records(body, FORM) == [
        {"email": "a@example.org", "interest": ["CRM", "ERP", "BI"], "size": ["38"], "empty": "", "plus": "a b"}
    ]


def test_a_form_in_an_old_encoding_is_read():
    assert records(b"name=Zo%EB", FORM) == [{"name": "Zoë"}]
    assert records("name=Zoë".encode(), FORM) == [{"name": "Zoë"}]
    assert records(b"name=Zo%EB", f"{FORM}; charset=iso-8859-1") == [{"name": "Zoë"}]


def test_a_form_of_endless_fields_is_refused():
    assert refusal(b"&".join(b"a=1" for _ in range(2000)), FORM).code == "unreadable_form"


def test_a_multipart_form_gives_its_fields_and_the_names_of_its_files():
    body = (
        b'--b\r\nContent-Disposition: form-data; name="email"\r\n\r\nada@example.org\r\n'
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nZo\xc3\xab\r\nB\r\n'
        b'--b\r\nContent-Disposition: form-data; name="tag[]"\r\n\r\nx\r\n'
        b'--b\r\nContent-Disposition: form-data; name="cv"; filename="cv.pdf"\r\n\r\n%PDF\r\n'
        b"--b--\r\n"
    )
    assert records(body, "multipart/form-data; boundary=b") == [
        {"email": "ada@example.org", "name": "Zoë\r\nB", "tag": ["x"], "cv": "cv.pdf"}
    ]


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=other"])
def test_a_multipart_form_without_its_boundary_is_refused(kind):
    assert refusal(b"--b\r\n\r\nx\r\n--b--", kind).code == "unreadable_form"


def test_prepare_sees_each_record():
    assert records(b'[{"a":1},{"a":2}]', prepare=lambda record: {**record, "b": 0}) == [
        {"a": 1, "b": 0},
        {"a": 2, "b": 0},
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON))
def test_any_json_object_comes_back_as_it_was(value):
    assert decode_body(json.dumps(value).encode(), "application/json") == value


@given(
    st.binary(),
    st.sampled_from(
        [
            "application/json",
            FORM,
            "text/plain",
            "multipart/form-data; boundary=b",
            "multipart/form-data",
            "x",
            ";;=",
            "application/json; charset=\x00",
        ]
    ),
)
def test_no_body_raises_anything_but_unreadable(body, content_type):
    with contextlib.suppress(UnreadableBody):
        split_records(connector(), body, content_type)


@pytest.mark.parametrize("nested", [False, True])
def test_integers_of_any_length_stay_what_they_are(nested):
    """Two ids that differ in their last digits must not become one."""
    first, second = "12345678901234567890123", "12345678901234567890124"
    for digits in (first, second):
        record = '{"a": [{"id": %s}]}' % digits if nested else '{"id": %s}' % digits  # noqa: UP031 - JSON's braces
        decoded = decode_body(record.encode(), "application/json")
        assert (decoded["a"][0] if nested else decoded)["id"] == digits
        again = decode_stored_body("application/json", record.encode())
        assert again == decoded
    assert decode_body(b'{"id": 9007199254740993, "x": 1.5}', "application/json") == {"id": 9007199254740993, "x": 1.5}
