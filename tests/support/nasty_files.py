"""Builds a folder of files as people really send them, each with what must become of it.

Every file has the columns of `HEADER`; its leads are invented, each with an address of its own that names its file.
"""

from __future__ import annotations

import datetime
import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER = ["First Name", "Last Name", "Email", "Phone", "Company", "City", "Created At"]


@dataclass(frozen=True)
class Expected:
    """`rejected` are (line, code) of rows in quarantine at once, `parked` (line, code) of those the pipeline stops
    later. `unreadable` is a word of the reason why the whole file is refused; then nothing of it is stored."""

    accepted: int = 0
    rejected: tuple[tuple[int, str], ...] = ()
    parked: tuple[tuple[int, str], ...] = ()
    unreadable: str | None = None
    people: dict[str, Any] = field(default_factory=dict)  # canonical field -> value of the file's first lead


Nasty = tuple[bytes, Expected]
_BUILDERS: dict[str, Callable[[str], Nasty]] = {}


def build(folder: Path) -> dict[str, Expected]:
    """Write every file into `folder`; gives what is expected of each, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, builder in _BUILDERS.items():
        content, expected[name] = builder(name.partition(".")[0])
        (folder / name).write_bytes(content)
    return expected


def names() -> list[str]:
    """Of every file there is."""
    return list(_BUILDERS)


def clean(name: str = "clean") -> str:
    """A file with nothing wrong about it: what the mapping is proposed from."""
    return text(rows(name))


def rows(name: str, count: int = 2) -> list[list[str]]:
    people = [("Zoë", "Bär"), ("José", "Muñoz"), ("Ada", "Sample"), ("Bob", "Sample")]
    return [
        [*people[n % 4], f"{name}.{n}@example.com", f"+1 202-555-01{n:02}", "Works GmbH", "Köln", "2026-01-05"]
        for n in range(count)
    ]


def text(table: list[list[str]], *, delimiter: str = ",", end: str = "\n", header: list[str] | None = None) -> str:
    def cell(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if any(mark in value for mark in f'{delimiter}"\r\n') else value

    lines = [delimiter.join(map(cell, row)) for row in [header or HEADER, *table]]
    return end.join(lines) + end


def _file(name: str) -> Callable[[Callable[[str], Nasty]], Callable[[str], Nasty]]:
    def register(builder: Callable[[str], Nasty]) -> Callable[[str], Nasty]:
        _BUILDERS[name] = builder
        return builder

    return register


def _plain(name: str, encode: Callable[[str], bytes], **options: Any) -> None:
    """A file with two good rows, in some dress."""
    first = {"first_name": "Zoë", "city": "Köln"}
    _BUILDERS[name] = lambda stem: (encode(text(rows(stem), **options)), Expected(2, people=first))


_plain("utf8_mark.csv", lambda content: content.encode("utf-8-sig"))
_plain("utf16_mark.csv", lambda content: content.encode("utf-16"), delimiter="\t")
_plain("utf16_le.csv", lambda content: content.encode("utf-16-le"))
_plain("utf16_be.txt", lambda content: content.encode("utf-16-be"), delimiter=";")
_plain("windows_1252.csv", lambda content: content.encode("cp1252"), delimiter=";")
_plain("semicolons.csv", str.encode, delimiter=";")
_plain("tabs.tsv", str.encode, delimiter="\t")
_plain("pipes.txt", str.encode, delimiter="|")
_plain("excel_sep_line.csv", lambda content: b"sep=;\r\n" + content.encode(), delimiter=";", end="\r\n")
_plain("old_mac_line_ends.csv", str.encode, end="\r")
_plain("trailing_delimiters.csv", lambda content: content.replace("\n", ",,,\n").encode())
_plain("packed.csv.gz", lambda content: gzip.compress(content.encode()))
_plain("csv_named.xlsx", str.encode)
_plain("blank_lines.csv", lambda content: content.replace("\n", "\n\n , \n").replace(" , ", "").encode() + b"\n\n")


@_file("windows_1251.csv")
def _cyrillic(stem: str) -> Nasty:
    names = ["Мария Иванова", "Пётр Кузнецов", "Ольга Смирнова", "Сергей Попов"]
    table = [[*name.split(), f"{stem}.{n}@example.com", "", "Общество", "Москва", ""] for n, name in enumerate(names)]
    return text(table).encode("cp1251"), Expected(4, people={"city": "Москва"})


@_file("mixed_line_ends.csv")
def _mixed_ends(stem: str) -> Nasty:
    lines = text(rows(stem, 3)).splitlines()
    return "{}\r\n{}\r{}\n{}".format(*lines).encode(), Expected(3)


@_file("quoted_breaks.csv")
def _quoted_breaks(stem: str) -> Nasty:
    table = rows(stem)
    table[0][4] = 'Works, "and"\r\nSons\nGmbH'
    return text(table).encode(), Expected(2)


@_file("unbalanced_quotes.csv")
def _unbalanced(stem: str) -> Nasty:
    lines = text(rows(stem, 4)).splitlines()
    lines[2] = lines[2].replace("Works GmbH", '"Works GmbH')
    return "\n".join(lines).encode() + b"\n", Expected(4, ((3, "unclosed_quote"),))


@_file("titles_on_top.csv")
def _titles(stem: str) -> Nasty:
    return f"Leads of May\n\nExported by CRM\n{text(rows(stem))}".encode(), Expected(2)


@_file("report_lines_on_top.csv")
def _report_lines(stem: str) -> Nasty:
    return f"Report;Leads\nPeriod;May 2026\n\n{text(rows(stem), delimiter=';')}".encode(), Expected(2)


@_file("groups_above_header.csv")
def _groups(stem: str) -> Nasty:
    return f"Person,,Contact,,Company,,\n{text(rows(stem))}".encode(), Expected(2)


@_file("second_header.csv")
def _second_header(stem: str) -> Nasty:
    second = "Vorname,Nachname,E-Mail,Telefon,Firma,Ort,Erstellt am\n"
    head, _, rest = text(rows(stem)).partition("\n")
    return f"{head}\n{second}{rest}".encode(), Expected(3, ((2, "repeated_header"),))


@_file("header_again_below.csv")
def _header_again(stem: str) -> Nasty:
    return (text(rows(f"{stem}.a")) + text(rows(f"{stem}.b"))).encode(), Expected(5, ((4, "repeated_header"),))


@_file("totals_row.csv")
def _totals(stem: str) -> Nasty:
    return (text(rows(stem)) + "Total,,,,,,2\n").encode(), Expected(3, ((4, "totals_row"),))


@_file("duplicate_and_empty_headers.csv")
def _duplicates(stem: str) -> Nasty:
    header = [*HEADER, "Email", "", "Email"]
    table = [[*row, f"other.{stem}.{n}@example.com", "x", ""] for n, row in enumerate(rows(stem))]
    return text(table, header=header).encode(), Expected(2)


@_file("nul_bytes.csv")
def _nuls(stem: str) -> Nasty:
    return text(rows(stem)).replace("Zoë", "Z\x00oë").encode(), Expected(2, people={"first_name": "Zoë"})


@_file("scientific_phones.csv")
def _scientific(stem: str) -> Nasty:
    table = rows(stem, 3)
    table[0][3], table[1][3] = "4.91702E+11", "12025550143.0"
    table[2][2], table[2][3] = "", "4.91702E+11"  # nothing else to know the person by
    return text(table).encode(), Expected(3, parked=((4, "nothing_to_identify"),))


@_file("ragged_rows.csv")
def _ragged(stem: str) -> Nasty:
    lines = text(rows(stem, 4)).splitlines()
    lines[2], lines[3] = "too,short", lines[3] + ",surplus"
    return "\n".join(lines).encode(), Expected(4, ((3, "ragged_row"), (4, "ragged_row")))


@_file("damaged_bytes.csv")
def _damaged(stem: str) -> Nasty:
    content = text(rows(stem, 40)).encode().splitlines(keepends=True)
    content[7] = content[7].replace("Köln".encode(), b"K\xf6ln")
    return b"".join(content), Expected(40, ((8, "undecodable_row"),))


@_file("nobody_in_it.csv")
def _nobody(stem: str) -> Nasty:
    table = rows(stem)
    table[0][2] = table[0][3] = ""
    return text(table).encode(), Expected(2, parked=((2, "nothing_to_identify"),))


@_file("endless_cell.csv")
def _endless_cell(stem: str) -> Nasty:
    table = rows(stem)
    table[0][4] = "x" * 3_000_000
    return text(table).encode(), Expected(2, ((2, "overlong_line"),))


@_file("day_first.csv")
def _day_first(stem: str) -> Nasty:
    table = rows(stem)
    table[0][6], table[1][6] = "03/04/2026", "25/03/2026"
    return text(table).encode(), Expected(2, people={"occurred_at": "2026-04-03T00:00:00+00:00"})


@_file("month_first.csv")
def _month_first(stem: str) -> Nasty:
    table = rows(stem)
    table[0][6], table[1][6] = "03/04/2026", "03/25/2026"
    return text(table).encode(), Expected(2, people={"occurred_at": "2026-03-04T00:00:00+00:00"})


@_file("ambiguous_dates.csv")
def _ambiguous(stem: str) -> Nasty:
    table = rows(stem)
    table[0][6], table[1][6] = "03/04/2026", "05/04/2026"
    return text(table).encode(), Expected(unreadable="day or the month")


@_file("contradictory_dates.csv")
def _contradictory(stem: str) -> Nasty:
    table = rows(stem)
    table[0][6], table[1][6] = "25/03/2026", "03/25/2026"
    return text(table).encode(), Expected(unreadable="line 3 reads 03/25/2026")


# JSON lines


@_file("broken_lines.jsonl")
def _broken_lines(stem: str) -> Nasty:
    good = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in rows(stem)]
    lines = [good[0], '{"Email": ', "", "[1, 2]", '"text"', good[1]]
    expected = Expected(5, ((2, "unreadable_json"), (4, "not_an_object"), (5, "not_an_object")))
    return b"\xef\xbb\xbf" + "\n".join(lines).encode(), expected


@_file("one_list.json")
def _one_list(stem: str) -> Nasty:
    listed = [dict(zip(HEADER, row, strict=True)) for row in rows(stem)]
    return json.dumps(listed).encode(), Expected(2)


# Workbooks


def _book(fill: Callable[[Any, Any], None]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    fill(book, book.active)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


@_file("typed_cells.xlsx")
def _typed(stem: str) -> Nasty:
    def fill(_book: Any, sheet: Any) -> None:
        sheet.append(HEADER)
        sheet.append(["Zoë", "Bär", f"{stem}.0@example.com", 12025550143, "Works", "Köln", datetime.date(2026, 4, 3)])
        sheet.append(
            ["Ada", "Sample", f"{stem}.1@example.com", 12025550144.0, None, "", datetime.datetime(2026, 4, 3, 9)]  # noqa: DTZ001 - a sheet knows no zones
        )
        sheet.append(["Bob", "Sample", f"{stem}.2@example.com", 12345678901234567890, None, 10115, 46115])

    people = {"phone": "+12025550143", "occurred_at": "2026-04-03T00:00:00+00:00"}
    return _book(fill), Expected(3, people=people)


@_file("dates_of_1904.xlsx")
def _of_1904(stem: str) -> Nasty:
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    def fill(book: Any, sheet: Any) -> None:
        book.epoch = CALENDAR_MAC_1904
        sheet.append(HEADER)
        sheet.append([*rows(stem)[0][:6], datetime.date(2026, 4, 3)])

    return _book(fill), Expected(1, people={"occurred_at": "2026-04-03T00:00:00+00:00"})


@_file("merged_cells.xlsx")
def _merged(stem: str) -> Nasty:
    def fill(_book: Any, sheet: Any) -> None:
        sheet.append(["Person", None, "Contact", None, "Company", None, "Created At"])
        sheet.append(["First Name", "Last Name", "Email", "Phone", "Company name", "City", None])
        for row in rows(stem):
            sheet.append(row)
        sheet.merge_cells("A1:B1")
        sheet.merge_cells("C1:D1")
        sheet.merge_cells("G1:G2")
        sheet.merge_cells("F3:F4")  # one city for both people: read for the first only

    return _book(fill), Expected(2, people={"city": "Köln", "occurred_at": "2026-01-05T00:00:00+00:00"})


@_file("hidden_sheets_and_rows.xlsx")
def _hidden(stem: str) -> Nasty:
    def fill(book: Any, sheet: Any) -> None:
        sheet.append(["Email"])
        sheet.append(["hidden@example.com"])
        sheet.sheet_state = "hidden"
        shown = book.create_sheet("Leads")
        for row in [HEADER, *rows(stem, 3)]:
            shown.append(row)
        shown.row_dimensions[3].hidden = True
        book.create_sheet("Other").append(["not read"])
        book.active = 1

    return _book(fill), Expected(3)


@_file("formulas_and_errors.xlsx")
def _formulas(stem: str) -> Nasty:
    def fill(_book: Any, sheet: Any) -> None:
        for row in [HEADER, *rows(stem, 3)]:
            sheet.append(row)
        sheet["A2"] = '=CONCATENATE("Z","oë")'  # never calculated: nothing is stored
        sheet["F3"] = "#N/A"
        sheet["F3"].data_type = "e"
        sheet["C4"], sheet["D4"] = "=C3", None

    return _book(fill), Expected(3, parked=((4, "nothing_to_identify"),))


@_file("workbook_named.csv")
def _workbook_as_csv(stem: str) -> Nasty:
    def fill(_book: Any, sheet: Any) -> None:
        for row in [HEADER, *rows(stem)]:
            sheet.append(row)

    return _book(fill), Expected(2)


@_file("page_named.xls")
def _page(stem: str) -> Nasty:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\r\n" for row in rows(stem))
    head = "".join(f"<th>{name}</th>" for name in HEADER)
    page = (
        '<html xmlns:x="urn:schemas-microsoft-com:office:excel"><head><meta charset="windows-1252"><style>td{}</style>'
        f"</head><body><table><tr><td>menu</td></tr></table><table><tr>{head}</tr>{body}"
        "<tr><td colspan=7>Total&nbsp;2</td></tr></table></body></html>"
    )
    return page.encode("cp1252"), Expected(3, ((4, "totals_row"),), people={"first_name": "Zoë", "city": "Köln"})


@_file("login_page.xls")
def _login(_stem: str) -> Nasty:
    return b"<!DOCTYPE html><html><body>Please sign in</body></html>", Expected(unreadable="HTML")


@_file("locked.xlsx")
def _locked(_stem: str) -> Nasty:
    return locked_workbook(), Expected(unreadable="password")


def locked_workbook() -> bytes:
    """The container of a workbook with a password: a compound file that holds a stream `EncryptedPackage`."""
    sector = 512

    def entry(name: str, kind: int, *, child: int = 0xFFFFFFFF, start: int = 0xFFFFFFFE, size: int = 0) -> bytes:
        label = name.encode("utf-16-le")
        return (
            label.ljust(64, b"\0")
            + struct.pack("<HBB3I", len(label) + 2, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<I", 0) + b"\xff" * 432
    table = struct.pack("<3I", 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFE).ljust(sector, b"\xff")
    tree = entry("Root Entry", 5, child=1) + entry("EncryptedPackage", 2, start=2, size=sector) + bytes(256)
    return header + table + tree + bytes(sector)


# Archives, and what is no table at all


def _zipped(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


@_file("one_file_within.zip")
def _zip_of_one(stem: str) -> Nasty:
    files = {"export/": b"", "export/leads.csv": text(rows(stem)).encode(), "__MACOSX/export/._leads.csv": b"\0\1"}
    return _zipped(files), Expected(2)


@_file("several_files_within.zip")
def _zip_of_several(stem: str) -> Nasty:
    return _zipped({"a.csv": text(rows(stem)).encode(), "b.csv": b"a,b\n1,2\n"}), Expected(unreadable="holds 2 files")


@_file("cut_off.csv.gz")
def _cut_off(stem: str) -> Nasty:
    return gzip.compress(text(rows(stem, 60)).encode())[:-40], Expected(unreadable="cut off")


@_file("cut_off.xlsx")
def _cut_off_book(stem: str) -> Nasty:
    return _workbook_as_csv(stem)[0][:-900], Expected(unreadable="damaged")


@_file("empty.csv")
def _empty(_stem: str) -> Nasty:
    return b"", Expected(unreadable="empty")


@_file("header_only.csv")
def _header_only(_stem: str) -> Nasty:
    return text([]).encode(), Expected(unreadable="no rows")


@_file("one_endless_line.csv")
def _endless_line(_stem: str) -> Nasty:
    return b"email," + b"x" * 10_000_000, Expected(unreadable="no rows")


@_file("picture.csv")
def _picture(_stem: str) -> Nasty:
    return b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, Expected(unreadable="picture")


@_file("document.pdf")
def _document(_stem: str) -> Nasty:
    return b"%PDF-1.7\n1 0 obj\n", Expected(unreadable="PDF")


@_file("no_header.csv")
def _no_header(stem: str) -> Nasty:
    return text(rows(stem)[1:], header=rows(stem)[0]).encode(), Expected(unreadable="not a header")


@_file("another_source.csv")
def _another(_stem: str) -> Nasty:
    return b"Menge,Artikel\n3,Schrauben\n", Expected(unreadable="reads none")
