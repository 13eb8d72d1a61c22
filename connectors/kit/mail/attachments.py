"""Attachments that hold a lead, as label and value: a CSV of one row, a vCard, ADF (the XML of car dealers)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from xml.parsers import expat

from connectors.kit.errors import RecordError
from connectors.kit.mail.messages import Attachment

_MAX_BYTES = 1_048_576
_MAX_ELEMENTS = 5_000
_MAX_DEPTH = 40
_CARD = {"FN": "Name", "EMAIL": "Email", "TEL": "Phone", "ORG": "Company", "TITLE": "Job title", "NOTE": "Message"}
_ENDINGS = {"csv": (".csv",), "vcard": (".vcf",), "adf": (".adf", ".xml")}
_KINDS = {"csv": ("text/csv",), "vcard": ("text/vcard", "text/x-vcard"), "adf": ("application/xml", "text/xml")}
FORMATS = tuple(_ENDINGS)

Pairs = list[tuple[str, str]]


def pairs_of(attachment: Attachment, formats: tuple[str, ...]) -> Pairs:
    """What an attachment of a declared format says; nothing of others. Raises RecordError for one that cannot be read,
    or that holds several leads."""
    for name in formats:
        if attachment.kind in _KINDS[name] or attachment.name.endswith(_ENDINGS[name]):
            if len(attachment.body) > _MAX_BYTES:
                raise RecordError("attachment_too_large", message=f"its {name} attachment has more than a megabyte")
            return _READERS[name](attachment.body)
    return []


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _read_csv(body: bytes) -> Pairs:
    text = _text(body)
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except csv.Error:
        raise RecordError("unreadable_attachment", message="its CSV attachment cannot be read") from None
    if len(rows) > 2:
        raise RecordError(
            "several_leads",
            message=f"its attachment holds {len(rows) - 1} rows: save it and give it to `afluente import`",
        )
    return list(zip(*rows, strict=False)) if len(rows) == 2 else []


def _read_card(body: bytes) -> Pairs:
    text = re.sub(r"\r?\n[ \t]", "", _text(body))
    if text.upper().count("BEGIN:VCARD") > 1:
        raise RecordError("several_leads", message="its attachment holds several cards: give it to `afluente import`")
    pairs: Pairs = []
    for line in text.splitlines():
        name, mark, value = line.partition(":")
        name = name.partition(";")[0].rpartition(".")[2].upper()
        if mark and name in _CARD:
            pairs.append((_CARD[name], value.replace("\\,", ",").replace("\\n", "\n").replace("\\;", ";").strip(" ;")))
    return pairs


def _read_adf(body: bytes) -> Pairs:
    """Elements with the one around them, `contact name first`: an element's `part` or `type` follows its name."""
    pairs: Pairs = []
    path: list[str] = []
    texts: list[list[str]] = []
    seen = [0]
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise RecordError("unreadable_attachment", message="its XML attachment declares entities, which are never read")

    def begin(name: str, attributes: dict[str, str]) -> None:
        seen[0] += 1
        if seen[0] > _MAX_ELEMENTS or len(path) >= _MAX_DEPTH:
            raise RecordError("unreadable_attachment", message="its XML attachment has more elements than a lead has")
        detail = attributes.get("part") or attributes.get("type") or ""
        path.append(f"{name} {detail}".strip())
        texts.append([])

    def end(_name: str) -> None:
        text = "".join(texts.pop()).strip()
        if text:
            pairs.append((" ".join(path[-2:]), text))
        path.pop()

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = lambda text: texts[-1].append(text) if texts else None
    try:
        parser.Parse(body, True)  # noqa: FBT003 - expat's own signature
    except expat.ExpatError:
        raise RecordError("unreadable_attachment", message="its XML attachment cannot be read") from None
    return pairs


_READERS: dict[str, Callable[[bytes], Pairs]] = {"csv": _read_csv, "vcard": _read_card, "adf": _read_adf}
