"""Whatever a stranger writes is read in a time that grows as its length does, and never ends in anything but a refusal.

Times are compared with each other, never with a clock on the wall but for a bound that a broken reader misses by far.
"""

from __future__ import annotations

import contextlib
import time

import pytest

from connectors.kit import Connector, Webhook
from connectors.kit.sources.content_types import read_content_type, read_parameters
from connectors.kit.sources.records import UnreadableBody, decode_body, holds_too_many_values, split_records
from pipeline.errors import RecordError
from pipeline.stages.mapping.bodies import decode_body as decode_stored_body
from tests.support.hostile import BODIES, CONTENT_TYPES

SIZE = 131_072
LONGEST_SECONDS = 1.0  # the readers that were here before took from 2 s to a minute
UNMEASURABLE_SECONDS = 0.03
CONNECTOR = Connector(
    source="s", title="", owner="", docs_url="", intake=Webhook(formats=("json", "form", "text")), prepare=None
)


def seconds(work) -> float:
    """Of this thread on a processor, the quickest of three: others use this machine too."""
    times = []
    for _ in range(3):
        begun = time.thread_time()
        work()
        times.append(time.thread_time() - begun)
    return min(times)


def read(content_type: str, body: bytes) -> None:
    with contextlib.suppress(UnreadableBody):
        split_records(CONNECTOR, body, content_type)
    with contextlib.suppress(RecordError):  # the worker reads it again, from what was stored
        decode_stored_body(content_type, body)


@pytest.mark.parametrize("shape", [name for name in BODIES if not name.startswith("packed")])
def test_a_body_of_twice_the_length_takes_twice_as_long_and_no_more(shape):
    make = BODIES[shape]
    small, large = make(SIZE), make(2 * SIZE)

    def ratio() -> float:
        time_of_large = seconds(lambda: read(large.content_type, large.body))
        assert time_of_large < LONGEST_SECONDS
        return time_of_large / max(UNMEASURABLE_SECONDS, seconds(lambda: read(small.content_type, small.body)))

    # A reader that is not linear is so each time; a neighbor that takes the processor's cache away is not always there.
    assert any(ratio() < 3.5 for _ in range(3))


@pytest.mark.parametrize("shape", CONTENT_TYPES)
def test_a_header_of_any_length_is_read_in_no_time(shape):
    header = CONTENT_TYPES[shape](60_000)
    assert seconds(lambda: read(header, b'{"email": "ada@example.org"}')) < UNMEASURABLE_SECONDS
    assert seconds(lambda: read_parameters(header)) < LONGEST_SECONDS / 5


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("application/json", ("application/json", None, None, None)),
        ("Application/JSON ; Charset=UTF-8", ("application/json", "UTF-8", "utf_8", None)),
        ('text/plain;charset="iso-8859-1"; format=flowed', ("text/plain", "iso-8859-1", "latin_1", None)),
        ("a/b; charset=punycode", ("a/b", "punycode", None, None)),
        ("a/b; charset=", ("a/b", None, None, None)),
        ('multipart/form-data; boundary="a;b"; charset=x', ("multipart/form-data", "x", None, "a;b")),
        ('multipart/form-data; boundary="a\\"b"', ("multipart/form-data", None, None, 'a"b')),
        ("a/b; charset=utf-8; charset=punycode", ("a/b", "utf-8", "utf_8", None)),
        (";;=;==; =x", ("", None, None, None)),
        (None, ("", None, None, None)),
    ],
)
def test_a_content_type_says_kind_charset_and_boundary(header, found):
    assert tuple(read_content_type(header)) == found


def multipart(*parts: bytes, content_type: str = "multipart/form-data; boundary=b"):
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return decode_body(body, content_type)


def field(name: str, content: bytes, *headers: str) -> bytes:
    head = [f'Content-Disposition: form-data; name="{name}"', *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + content


def test_text_of_a_multipart_form_is_read_in_the_charset_of_its_part():
    latin = field("name", b"Zo\xeb M\xfcller", "Content-Type: text/plain; charset=iso-8859-1")
    assert multipart(latin) == {"name": "Zoë Müller"}
    japanese = field("name", "山田".encode("shift_jis"), "Content-Type: text/plain; charset=Shift_JIS")
    assert multipart(japanese, field("x", "ñ".encode())) == {"name": "山田", "x": "ñ"}


def test_text_of_a_multipart_form_without_a_charset_is_read_as_the_form_says_or_as_an_old_page_means():
    told = multipart(field("_charset_", b"iso-8859-2"), field("name", "Łukasz".encode("iso-8859-2")))
    assert told["name"] == "Łukasz"
    assert multipart(field("name", b"Zo\xeb \x80")) == {"name": "Zoë €"}
    assert "\ufffd" not in multipart(field("name", b"\x81\x8d\xff"))["name"]
    assert decode_body(b"_charset_=iso-8859-2&name=%A3ukasz", "application/x-www-form-urlencoded")["name"] == "Łukasz"


def test_multipart_forms_as_clients_write_them_are_read():
    assert multipart(field("a", b"line\r\nline\r\n")) == {"a": "line\r\nline\r\n"}
    assert multipart(field("a", b"--b is no boundary\r\n--bb neither")) == {"a": "--b is no boundary\r\n--bb neither"}
    assert multipart(field("a", b"aGVsbG8=", "Content-Transfer-Encoding: base64")) == {"a": "hello"}
    assert multipart(field("a", b"1"), field("b", b"")) == {"a": "1", "b": ""}
    assert multipart(b"content-disposition: FORM-DATA; name=plain\r\n\r\nx") == {"plain": "x"}
    named = b"Content-Disposition: form-data; name=cv; filename=\"x\"; filename*=UTF-8''na%C3%AFve.pdf\r\n\r\n%PDF"
    assert multipart(named) == {"cv": "naïve.pdf"}
    bare = b'--b\nContent-Disposition: form-data; name="a"\n\nx\n--b--\n'
    assert decode_body(bare, "multipart/form-data; boundary=b") == {"a": "x"}
    preamble = b"preamble\r\n" + b"--b\r\n" + field("a", b"x") + b"\r\n--b--\r\nepilogue"
    assert decode_body(preamble, "multipart/form-data; boundary=b") == {"a": "x"}
    cut_off = b"--b\r\n" + field("a", b"x") + b"\r\n--b\r\n" + field("b", b"y")
    assert decode_body(cut_off, "multipart/form-data; boundary=b") == {"a": "x", "b": "y"}


def test_a_record_of_too_many_values_is_known_without_reading_all_of_them():
    assert not holds_too_many_values({"a": list(range(9_000))})
    assert holds_too_many_values({"a": [{"b": list(range(6_000))}, {"c": list(range(6_000))}]})
    with pytest.raises(RecordError, match="10000 keys"):
        decode_stored_body("application/json", b'{"a": [' + b"1," * 20_000 + b"1]}")
