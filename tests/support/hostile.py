"""Requests as somebody sends them who wants the receiver to work hard: each a function of its size in bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import NamedTuple

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=b"


class Hostile(NamedTuple):
    content_type: str
    body: bytes
    encoding: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        packed = {"Content-Encoding": self.encoding} if self.encoding else {}
        return {"Content-Type": self.content_type, **packed}


def _repeated(unit: bytes, size: int) -> bytes:
    return (unit * (size // len(unit) + 1))[:size]


def _part(*lines: bytes, content: bytes = b"x") -> bytes:
    return b"--b\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n--b--\r\n"


def _json(content_type: str, unit: bytes, *, begin: bytes = b"", end: bytes = b"") -> Callable[[int], Hostile]:
    return lambda size: Hostile(content_type, begin + _repeated(unit, size) + end)


def _head(unit: bytes, *, begin: bytes = b"Content-Disposition: form-data") -> Callable[[int], Hostile]:
    return lambda size: Hostile(MULTIPART, _part(begin + _repeated(unit, size)))


def _charset(name: str) -> Callable[[int], Hostile]:
    return lambda size: Hostile(
        f"{JSON}; charset={name}", b'{"a":"' + "\U0010ffff".encode() + _repeated(b"a-", size) + b'"}'
    )


def _form_charset(name: str) -> Callable[[int], Hostile]:
    return lambda size: Hostile(f"{FORM}; charset={name}", b"a=" + _repeated(b"%ff-a", size))


def _keys(size: int, key: str = "k{}") -> Hostile:
    return Hostile(JSON, json.dumps({key.format(number): 1 for number in range(size // 12)}).encode())


def _colliding(size: int) -> Hostile:
    return Hostile(JSON, b"{" + b",".join(b'"%s":1' % (b"\\u0000" * (n % 50)) for n in range(size // 160)) + b'"z":1}')


def _bomb(size: int) -> Hostile:
    return Hostile(JSON, gzip.compress(b" " * size * 400), "gzip")


def _packed_list(size: int) -> Hostile:
    return Hostile(JSON, gzip.compress(b'[{"a":1}' + b',{"a":1}' * (size // 8) + b"]"), "gzip")


def _boundaries(size: int) -> Hostile:
    return Hostile("multipart/form-data; boundary=" + "-" * 70, _repeated(b"-" * 70 + b"\n", size))


BODIES: dict[str, Callable[[int], Hostile]] = {
    "multipart: semicolons": _head(b";"),
    "multipart: parameters": _head(b"; a=b"),
    "multipart: one parameter many times": _head(b'; name="a"'),
    "multipart: open quotes": _head(b'; a="'),
    "multipart: backslashes in quotes": _head(b"\\", begin=b'Content-Disposition: form-data; name="'),
    "multipart: comments": _head(b"(a)"),
    "multipart: open comments": _head(b"("),
    "multipart: folded headers": _head(b"\r\n a"),
    "multipart: many headers": _head(b"\r\nX-A: b"),
    "multipart: one endless header": _head(b"a", begin=b"X-"),
    "multipart: continued parameters": lambda size: Hostile(
        MULTIPART, _part(b"Content-Disposition: form-data" + b"".join(b"; name*%d=a" % n for n in range(size // 11)))
    ),
    "multipart: extended file name": _head(b"%41", begin=b"Content-Disposition: form-data; name=a; filename*=utf-8''"),
    "multipart: encoded words": _head(b" =?utf-8?q?a?=", begin=b"Content-Disposition: form-data; name="),
    "multipart: content type of a part": _head(
        b";", begin=b"Content-Disposition: form-data; name=a\r\nContent-Type: text/plain"
    ),
    "multipart: charset of a part": lambda size: Hostile(
        MULTIPART,
        _part(
            b'Content-Disposition: form-data; name="a"',
            b"Content-Type: text/plain; charset=punycode",
            content=_repeated(b"\xf4\x8f\xbf\xbf-a", size),
        ),
    ),
    "multipart: quoted-printable": lambda size: Hostile(
        MULTIPART,
        _part(
            b'Content-Disposition: form-data; name="a"',
            b"Content-Transfer-Encoding: quoted-printable",
            content=_repeated(b"=\r\n=3D=", size),
        ),
    ),
    "multipart: base64 that is none": lambda size: Hostile(
        MULTIPART,
        _part(
            b'Content-Disposition: form-data; name="a"',
            b"Content-Transfer-Encoding: base64",
            content=_repeated(b"=*A", size),
        ),
    ),
    "multipart: parts without headers": lambda size: Hostile(MULTIPART, _repeated(b"--b\r\n\r\n\r\n", size)),
    "multipart: nothing but boundaries": lambda size: Hostile(MULTIPART, _repeated(b"--b\r\n", size)),
    "multipart: boundaries that are none": lambda size: Hostile(MULTIPART, _repeated(b"\n--bb", size)),
    "multipart: a boundary of dashes": _boundaries,
    "multipart: no blank line": lambda size: Hostile(MULTIPART, b"--b\r\n" + _repeated(b"A: b\r\n", size)),
    "multipart: nested": lambda size: Hostile(
        MULTIPART, _part(b"Content-Type: multipart/mixed; boundary=b", content=_repeated(b"--b\r\n", size))
    ),
    "multipart: line ends alone": lambda size: Hostile(MULTIPART, b"--b\r\n" + _repeated(b"\r\n", size)),
    "multipart: one name many times": lambda size: Hostile(
        MULTIPART, _repeated(b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n', size)
    ),
    "json: punycode": _charset("punycode"),
    "json: utf-7": _charset("utf-7"),
    "json: idna": _charset("idna"),
    "json: hz": _charset("hz"),
    "json: rot13": _charset("rot13"),
    "json: zlib": _charset("zlib"),
    "json: base64": _charset("base64"),
    "json: unicode-escape": _charset("unicode-escape"),
    "json: undefined": _charset("undefined"),
    "json: utf-32 that is none": _charset("utf-32"),
    "json: lists in lists": _json(JSON, b"["),
    "json: objects in objects": _json(JSON, b'{"a":'),
    "json: closed lists in lists": lambda size: Hostile(JSON, b"[" * (size // 2) + b"]" * (size // 2)),
    "json: a moderate depth many times": _json(JSON, b"[" * 200 + b"]" * 200 + b",", begin=b'{"a":[', end=b"0]}"),
    "json: keys": _keys,
    "json: long keys": lambda size: Hostile(JSON, json.dumps({"k" * (size // 2): 1, "K" * (size // 2): 2}).encode()),
    "json: keys of brackets": lambda size: _keys(size, key="a[{}]"),
    "json: keys that are the same": _json(JSON, b'"a":1,', begin=b"{", end=b'"a":2}'),
    "json: keys of NULs": _colliding,
    "json: one key of open brackets": lambda size: Hostile(JSON, b'{"' + b"a[" * (size // 2) + b']":1}'),
    "json: a huge integer": _json(JSON, b"9", begin=b'{"a":', end=b"}"),
    "json: many huge integers": _json(JSON, b"9" * 300 + b",", begin=b'{"a":[', end=b"1]}"),
    "json: a huge fraction": _json(JSON, b"9", begin=b'{"a":0.', end=b"}"),
    "json: a huge exponent": _json(JSON, b"9", begin=b'{"a":1e', end=b"}"),
    "json: NaN": _json(JSON, b"NaN,", begin=b'{"a":[', end=b"NaN]}"),
    "json: half characters": _json(JSON, b"\\ud83d", begin=b'{"email":"', end=b'"}'),
    "json: NULs": _json(JSON, b"\\u0000", begin=b'{"email":"', end=b'"}'),
    "json: raw NULs": _json(JSON, b"\x00", begin=b'{"email":"', end=b'"}'),
    "json: an open text": _json(JSON, b"\\", begin=b'{"a":"'),
    "json: blanks": _json(JSON, b" ", end=b"1"),
    "json: line ends and then a fault": _json(JSON, b"\n", begin=b"{", end=b"x"),
    "json: byte order marks": _json(JSON, b"\xef\xbb\xbf"),
    "json: UTF-16 of nothing": _json(JSON, b"\x00\x20", begin=b"\xfe\xff"),
    "json: a list of records": _json(JSON, b'{"a":1},', begin=b"[", end=b'{"a":1}]'),
    "json: an address of digits": _json(JSON, b"1", begin=b'{"email":"', end=b'@example.org"}'),
    "json: an address of ats": _json(JSON, b"@", begin=b'{"email":"', end=b'"}'),
    "json: a phone of pluses": _json(JSON, b"+1(", begin=b'{"phone":"', end=b'"}'),
    "form: ampersands": _json(FORM, b"&"),
    "form: percents": _json(FORM, b"%"),
    "form: percents that are none": _json(FORM, b"%zz", begin=b"a="),
    "form: percent letters": _json(FORM, b"%41", begin=b"a="),
    "form: raw bytes": _json(FORM, b"\xff", begin=b"a="),
    "form: equal signs": _json(FORM, b"="),
    "form: fields": _json(FORM, b"a=1&"),
    "form: lists": _json(FORM, b"a[]=1&"),
    "form: brackets": _json(FORM, b"a[", end=b"]=1"),
    "form: closed brackets": _json(FORM, b"[a]", begin=b"a", end=b"=1"),
    "form: nested differently": lambda size: Hostile(FORM, b"&".join(b"a[%d]=1" % n for n in range(size // 9))),
    "form: pluses": _json(FORM, b"+", begin=b"a="),
    "form: semicolons": _json(FORM, b";"),
    "form: punycode": _form_charset("punycode"),
    "form: idna": _form_charset("idna"),
    "form: utf-7": _form_charset("utf-7"),
    "form: charset told in a field": _json(FORM, b"%ff", begin=b"_charset_=punycode&a="),
    "packed: spaces": _bomb,
    "packed: records": _packed_list,
    "packed: twice": lambda size: Hostile(JSON, gzip.compress(gzip.compress(b"[" * size * 10)), "gzip"),
    "packed: many small members": lambda size: Hostile(JSON, gzip.compress(b"") * (size // 20), "gzip"),
}

CONTENT_TYPES: dict[str, Callable[[int], str]] = {
    "semicolons": lambda size: f"{JSON}{';' * size}",
    "parentheses": lambda size: f"{JSON};{'(' * size}",
    "comments": lambda size: f"{JSON};{'(a)' * (size // 3)}",
    "parameters": lambda size: f"{JSON}{'; a=b' * (size // 5)}",
    "quotes": lambda size: JSON + ';a="' * (size // 4),
    "backslashes": lambda size: f'{JSON}; charset="' + "\\" * size,
    "a long charset": lambda size: f"{JSON}; charset={'a' * size}",
    "a long kind": lambda size: "a" * size,
    "a long boundary": lambda size: f"multipart/form-data; boundary={'b' * size}",
    "charsets": lambda size: JSON + "; charset=punycode" * (size // 18),
}
