"""Files made to cost time or memory: each is rows or one sentence, in time that grows with its size."""

from __future__ import annotations

import contextlib
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.intake.files.reading import read_sample
from pipeline.intake.files.unreadable import UnreadableFileError

pytestmark = pytest.mark.long  # files of many megabytes

TABLE = "<table><tr><th>Email</th><th>Name</th></tr><tr><td>a@example.org</td><td>Ada Bo</td></tr></table>"
TIMES_LARGER = 4
SLACK_SECONDS = 1.0  # a busy machine

SHAPES: dict[str, Callable[[int], str]] = {
    "tags that never end": lambda size: TABLE + "<a " * size,
    "quotes that never end": lambda size: TABLE + '<a href="' * size,
    "single quotes that never end": lambda size: TABLE + "<a b='" * size,
    "comments that never end": lambda size: TABLE + "<!--" * size,
    "declarations that never end": lambda size: TABLE + "<!" * size + "<?" * size,
    "scripts that never end": lambda size: TABLE + "<script>" * size,
    "nothing but brackets": lambda size: TABLE + "<" * size,
    "slashes in a tag": lambda size: TABLE + "<a " + "/" * size,
    "blanks in a tag": lambda size: TABLE + "<a b" + " " * size,
    "equals signs in a tag": lambda size: TABLE + "<a " + "= " * size,
    "attributes in a tag": lambda size: TABLE + "<a " + 'b="x" ' * size,
    "digits of a character": lambda size: TABLE + "<table><tr><td>&#" + "1" * size,
    "references without end": lambda size: TABLE + "<table><tr><td>" + "&#1" * size,
    "tables in tables": lambda size: TABLE + "<table><tr><td>x" * size,
    "cells of a thousand columns": lambda size: TABLE + "<table><tr>" + "<td colspan=1000>" * size,
    "cells of a thousand rows": lambda size: TABLE + "<table>" + "<tr><td rowspan=1000 colspan=9>x" * size,
    "quotes across lines": lambda size: "Email,Name\n" + 'a","b"\n' * size,
    "a quote in each line": lambda size: "Email,Name\n" + '"a,b\n' * size,
    "a quote in each last cell": lambda size: "Email,Name\n" + 'a,"b\n' * size,
    "columns of one name": lambda size: ",".join(["Name"] * size) + "\n" + ",".join(["x"] * size) + "\n",
    "columns without a name": lambda size: ",".join(["Email", *[""] * size]) + "\n" + ",".join(["x"] * (size + 1)),
    "objects that never end": lambda size: '{"Email":\n"a@example.org"}\n' + '{"a":[\n' * size,
    "lists that never end": lambda size: "[" + '{"a":[' * size,
    "cards that never end": lambda size: "BEGIN:VCARD\nFN:A\n" * size,
    "parameters of a card": lambda size: "BEGIN:VCARD\nTEL" + ';a="' * size + "\nEND:VCARD\n",
}


def seconds_for(path: Path, text: str) -> float:
    path.write_text(text)
    begun = time.process_time()
    with contextlib.suppress(UnreadableFileError):
        read_sample(path)
    return time.process_time() - begun


@pytest.mark.parametrize("shape", SHAPES)
def test_time_grows_no_faster_than_the_file(tmp_path, shape):
    make, size = SHAPES[shape], 4_000
    small = seconds_for(tmp_path / "small.html", make(size))
    large = seconds_for(tmp_path / "large.html", make(TIMES_LARGER * size))
    assert large <= 2 * TIMES_LARGER * small + SLACK_SECONDS


FAR_CELL = "<row r='1048576'><c r='XFD1048576' t='inlineStr'><is><t>x</t></is></c></row>"
FAR_CELLS = {
    "single quotes": ("xl/worksheets/sheet1.xml", FAR_CELL),
    "blanks at the equals sign": ("xl/worksheets/sheet1.xml", FAR_CELL.replace("r='X", "r = 'X").replace("'", '"')),
    "a sheet elsewhere": ("other/sheet.xml", FAR_CELL.replace("'", '"')),
    "a name in capitals": ("xl/worksheets/SHEET.XML", FAR_CELL.replace("'", '"')),
    "cells without a place": (
        "xl/worksheets/sheet1.xml",
        '<row r="1048576">' + '<c t="inlineStr"><is><t>x</t></is></c>' * 3_000 + "</row>",
    ),
    "far, not farthest": ("xl/worksheets/sheet1.xml", FAR_CELL.replace("XFD1048576", "AAA40000")),
}


@pytest.mark.parametrize("trick", FAR_CELLS)
def test_cells_far_apart_are_told_in_a_sentence_and_end_no_process(tmp_path, trick):
    path = tmp_path / "far.xlsx"
    path.write_bytes(workbook(*FAR_CELLS[trick]))
    with pytest.raises(UnreadableFileError, match="far"):
        read_sample(path)


def workbook(sheet: str, cells: str) -> bytes:
    """A workbook of one sheet, which lies at `sheet`, with an e-mail's title and `cells`."""
    main = "http://schemas.openxmlformats.org"
    relations = f"{main}/officeDocument/2006/relationships"
    package = f"{main}/package/2006"
    title = '<row r="1"><c r="A1" t="inlineStr"><is><t>Email</t></is></c></row>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1"'
        f' Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}/spreadsheetml/2006/main" xmlns:r="{relations}">'
        '<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1"'
        f' Type="{relations}/worksheet" Target="/{sheet}"/></Relationships>',
        sheet: f'<worksheet xmlns="{main}/spreadsheetml/2006/main"><sheetData>{title}{cells}</sheetData></worksheet>',
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0"?>{text}')
    return file.getvalue()
