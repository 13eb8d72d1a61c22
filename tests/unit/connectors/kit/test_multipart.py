"""Multipart bodies: what is written is read back, and a stranger's bytes give whole parts or an error of ours."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.multipart import (
    MultipartError,
    Part,
    boundary_of,
    read_message,
    read_parts,
    write_message,
    write_parts,
)

BODIES = st.binary(max_size=60).map(lambda body: body.replace(b"--b", b""))


@given(st.lists(BODIES, max_size=5))
def test_what_is_written_is_read_back(bodies):
    parts = [Part({"content-id": str(place)}, body) for place, body in enumerate(bodies)]
    assert read_parts(write_parts(parts, "b"), "b", most=5) == parts


@given(st.binary(max_size=300), st.sampled_from(["b", "batch_1"]))
def test_any_bytes_give_parts_or_an_error_of_ours(body, boundary):
    joined = b"--b\r\n" + body.replace(b"x", b"\r\n--b\r\n") + b"\r\n--b--"
    with suppress(MultipartError):
        for part in read_parts(joined, boundary, most=20):
            read_message(part.body)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/mixed; boundary=batchresponse_1", "batchresponse_1"),
        ('Multipart/Mixed; charset=utf-8; BOUNDARY = "a b"', "a b"),
        ("multipart/mixed;boundary=a;x=y", "a"),
        ("multipart/mixed", None),
        ("application/json; boundary=a", None),
        ("multipart/mixed; boundary=é", None),
        ("", None),
    ],
)
def test_the_boundary_is_read_from_the_content_type(content_type, boundary):
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_answers_of_a_batch_are_read_with_either_line_end(newline):
    lines = [
        *(b"preamble", b"--b", b"Content-Type: application/http", b""),
        *(b"HTTP/1.1 204 No Content", b"OData-EntityId: x", b"", b""),
        *(b"--b ", b"", b"HTTP/1.1 200 OK", b"", b"{}", b"--b--", b"epilogue"),
    ]
    first, second = (read_message(part.body) for part in read_parts(newline.join(lines), "b", most=2))
    assert (first.status, first.headers, first.body) == (204, {"odata-entityid": "x"}, b"")
    assert (second.status, second.body) == (200, b"{}")


def test_a_part_that_was_cut_off_is_left_out():
    whole = write_parts([Part({}, b"one"), Part({}, b"two")], "b")
    for size in range(len(whole)):
        assert len(read_parts(whole[:size], "b", most=2)) <= 2
    assert [part.body for part in read_parts(whole[: whole.index(b"two") + 3], "b", most=2)] == [b"one"]


def test_a_text_that_quotes_the_boundary_is_no_delimiter():
    body = b'{"a": "--b"}\r\n--bc\r\n--b x\r\nwritten --b\r\nand on'
    assert [part.body for part in read_parts(write_parts([Part({}, body)], "b"), "b", most=1)] == [body]


def test_a_message_without_an_empty_line_is_all_head():
    message = read_message(b"HTTP/1.1 204 No Content\r\nOData-Version: 4.0")
    assert (message.status, message.headers, message.body) == (204, {"odata-version": "4.0"}, b"")
    assert read_message(write_message("GET x HTTP/1.1", {"A": "b"})).status is None


@pytest.mark.parametrize(
    "body",
    [
        write_parts([Part({}, b"x")] * 3, "b"),
        b"--b\r\n" + b"a: b\r\n" * 101 + b"\r\n--b--",
        b"--b\r\n" + b"a" * 70_000 + b"\r\n\r\n--b--",
    ],
    ids=["parts", "headers", "line"],
)
def test_there_is_a_bound_to_everything(body):
    with pytest.raises(MultipartError):
        read_parts(body, "b", most=2)


@pytest.mark.parametrize("unit", [b"--b", b"\n--b ", b"\n--bx", b"\r\n", b"\n--b x--b", b"a:"])
def test_megabytes_of_hostile_bytes_are_looked_at_a_few_times_each(unit):
    """A reader that went back for each of them would not end today."""
    with suppress(MultipartError):
        for part in read_parts(b"--b\r\n" + unit * (1_000_000 // len(unit)) + b"\r\n--b--", "b", most=1_000):
            with suppress(MultipartError):
                read_message(part.body)
