"""Reads vCards (2.1, 3.0, 4.0), as phones and address books export contacts: a row a card, by the titles of a table."""

from __future__ import annotations

import quopri
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from pipeline.intake.files.contents import FileContents, text_lines
from pipeline.intake.files.rows import FileRow, TableNotes
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.stages.mapping.bodies import ROW

MAX_CARDS_BYTES = 100 * 1_048_576
_LINE_LIMIT = 1_048_576  # characters; a picture in a card is one long line
_MOST_OF_A_KIND = 20  # numbers or addresses of one card
_PARAMETER = re.compile(r';((?:[^;:"]|"[^"]*")*)')
_NAME_PARTS = ("Last Name", "First Name", "Middle Name", "Prefix", "Suffix")
_ADDRESS_PARTS = ("PO Box", "Address 2", "Street", "City", "State", "Postal Code", "Country")
_SINGLE = {
    "FN": "Full Name",
    "NICKNAME": "Nickname",
    "TITLE": "Job Title",
    "ROLE": "Role",
    "NOTE": "Notes",
    "BDAY": "Birthday",
    "LANG": "Language",
    "UID": "Contact ID",
    "CATEGORIES": "Tags",
}
_SEVERAL = {"EMAIL": "Email", "TEL": "Phone", "URL": "Website"}
_DROPPED = frozenset(("VERSION", "PRODID", "REV", "PHOTO", "LOGO", "SOUND", "KEY", "BEGIN", "END", "N", "ADR", "ORG"))


class _Property(NamedTuple):
    name: str
    types: frozenset[str]
    value: str


def read_vcards(contents: FileContents, notes: TableNotes) -> Iterator[FileRow]:
    """A row for each card. One that has no end is bad. Raises UnreadableFileError."""
    if contents.size > MAX_CARDS_BYTES:
        raise UnreadableFileError(
            f"these are {contents.size // 1_048_576} MB of vCards; up to {MAX_CARDS_BYTES // 1_048_576} MB can be read:"
            " export the contacts as CSV"
        )
    cards = list(_cards(contents))
    records = [_record(properties) for _, properties, _ in cards]
    columns = list(dict.fromkeys(column for record in records for column in record))
    notes.columns = len(columns)
    for (line, _, is_whole), record in zip(cards, records, strict=True):
        row = {column: record.get(column, "") for column in columns}
        body = orjson.dumps(row)
        if is_whole:
            yield FileRow(line, row, body, ROW)
        else:
            yield FileRow(line, row, body, ROW, "unfinished_card", f"line {line}: a vCard that has no end")


def _cards(contents: FileContents) -> Iterator[tuple[int, list[_Property], bool]]:
    """(line of its beginning, properties, whether it has an end) of each card."""
    begun = 0
    properties: list[_Property] = []
    for number, line in _unfolded(contents):
        start = line[:16].strip().upper()
        if start.startswith("BEGIN:VCARD"):
            if begun:
                yield begun, properties, False
            begun, properties = number, []
        elif start.startswith("END:VCARD"):
            if begun:
                yield begun, properties, True
            begun, properties = 0, []
        elif begun and (found := _property(line)) is not None:
            properties.append(found)
    if begun:
        yield begun, properties, False


def _unfolded(contents: FileContents) -> Iterator[tuple[int, str]]:
    """Lines with those that go on below joined: by a blank at their beginning, or `=` at their end (vCard 2.1)."""
    begun, is_quoted = 0, False
    pieces: list[str] = []
    for number, text in enumerate(text_lines(contents, limit=_LINE_LIMIT), start=1):
        line = text.encode(errors="replace").decode().rstrip("\r\n")
        goes_on = bool(pieces) and (line[:1] in (" ", "\t") or (is_quoted and pieces[-1].endswith("=")))
        if goes_on:
            if is_quoted and pieces[-1].endswith("="):
                pieces[-1] = pieces[-1][:-1]
                pieces.append(line)
            else:
                pieces.append(line[1:])
            continue
        if pieces:
            yield begun, "".join(pieces)
        begun, pieces, is_quoted = number, [line], "QUOTED-PRINTABLE" in line[:200].upper()
    if pieces:
        yield begun, "".join(pieces)


def _property(line: str) -> _Property | None:
    """`item1.TEL;TYPE=cell,voice;PREF=1:+49 …`, taken apart."""
    label = re.match(r"(?:[\w-]{1,40}\.)?([A-Za-z][\w-]{0,60})", line)
    if label is None:
        return None
    place, parameters = label.end(), []
    while (parameter := _PARAMETER.match(line, place)) is not None:
        parameters.append(parameter[1].strip())
        place = parameter.end()
    if line[place : place + 1] != ":":
        return None
    value = line[place + 1 :]
    said = [part.upper().partition("=") for part in parameters]
    types = {word.strip('" ') for key, mark, text in said for word in (text if mark else key).split(",")}
    if types & {"B", "BASE64"}:
        return None
    if "QUOTED-PRINTABLE" in types:
        charset = next((text.strip('" ') for key, _, text in said if key == "CHARSET"), "utf-8")
        value = _unquoted(value, charset)
    return _Property(label[1].upper(), frozenset(types), value)


def _unquoted(value: str, charset: str) -> str:
    content = quopri.decodestring(value.encode(errors="replace"))
    try:
        return content.decode(charset, "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")


def _record(properties: list[_Property]) -> dict[str, str]:
    record: dict[str, str] = {}
    counts: Counter[str] = Counter()

    def put(title: str, value: str) -> None:
        text = value.strip()
        if not text or counts[title] >= _MOST_OF_A_KIND:
            return
        counts[title] += 1
        record[title if counts[title] == 1 else f"{title} {counts[title]}"] = text

    for entry in sorted(properties, key=lambda entry: not entry.types & {"PREF", "1"}):
        name, value = entry.name, entry.value
        if name == "N":
            for title, part in zip(_NAME_PARTS, _parts(value), strict=False):
                record.setdefault(title, part)
        elif name == "ADR" and "Street" not in record:
            parts = [part.replace("\n", ", ") for part in _parts(value)]
            record.update((title, part) for title, part in zip(_ADDRESS_PARTS, parts, strict=False) if part)
        elif name == "ORG":
            company, *units = _parts(value)
            put("Company", company)
            put("Department", ", ".join(filter(None, units)))
        elif name == "TEL" and "FAX" in entry.types:
            put("Fax", _bare(value))
        elif name in _SEVERAL:
            put("LinkedIn" if "linkedin.com/in/" in value.lower() else _SEVERAL[name], _bare(_plain(value)))
        elif name in _SINGLE:
            put(_SINGLE[name], _plain(value))
        elif name == "X-SOCIALPROFILE" and "linkedin.com" in value.lower():
            put("LinkedIn", _plain(value))
        elif name not in _DROPPED:
            put(name.title(), _plain(value))
    return record


def _bare(value: str) -> str:
    scheme, mark, rest = value.partition(":")
    return rest if mark and scheme.strip().lower() in ("tel", "mailto") else value


def _parts(value: str) -> list[str]:
    """Parts between semicolons that no backslash stands before, each plain."""
    return [_plain(part).strip() for part in re.split(r"(?<!\\);", value)]


def _plain(value: str) -> str:
    return re.sub(r"\\([\\,;:nN])", lambda found: "\n" if found[1] in "nN" else found[1], value)
