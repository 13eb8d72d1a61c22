"""Tables of HTML pages and spreadsheets, headers that are not the first row, and lines that are no leads."""

from __future__ import annotations

import io

import pytest

from pipeline.intake.files.contents import FileContents
from pipeline.intake.files.html_tables import read_html_table
from pipeline.intake.files.rows import NoLeads, TableNotes, find_header
from pipeline.intake.files.text_encodings import declared_charset
from pipeline.intake.files.unreadable import UnreadableFileError

HEADER = ["First Name", "Email", "City"]


def page(markup: str) -> list[dict[str, str]]:
    raw = markup.encode()
    contents = FileContents("html", b"", len(raw), "utf-8", lambda: io.BytesIO(raw))
    return [row.record for row in read_html_table(contents, TableNotes())]


@pytest.mark.parametrize(
    ("body", "record"),
    [
        ("<tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr>", {"a": "1", "b": "2"}),
        ("<tr><td>a<td>b<tr><td>1<td>2", {"a": "1", "b": "2"}),
        ("<TR><TD>a</TD><TD>b</TD></TR><TR><TD> 1 </TD><TD>2</TD></TR>", {"a": "1", "b": "2"}),
        ("<tr><td>a</td><td>b</td></tr><tr><td>x &amp; y&nbsp;z</td><td>&#252;</td></tr>", {"a": "x & y z", "b": "ü"}),
        ("<tr><td>a</td><td>b</td></tr><tr><td>one<br>two</td><td>one\n  line</td></tr>",
         {"a": "one\ntwo", "b": "one line"}),
        ("<tr><td>a</td><td>b</td></tr><tr><td><b>1</b><script>no</script></td><td><a href=x>2</a></td></tr>",
         {"a": "1", "b": "2"}),
        ("<tr><td>a</td><td>b</td><td>c</td></tr><tr><td colspan=2>1</td><td>2</td></tr>",
         {"a": "1", "b": "", "c": "2"}),
        ("<thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody>",
         {"a": "1", "b": "2"}),
        ("<tr><td>a</td><td>b</td></tr><tr><td>1<table><tr><td>inner</td></tr></table></td><td>2</td></tr>",
         {"a": "1", "b": "2"}),
    ],
)  # fmt: skip
def test_a_row_of_an_html_table_is_read_as_a_browser_shows_it(body, record):
    assert page(f"<html><table>{body}</table>")[0] == record


def test_a_cell_over_several_rows_shifts_no_other_cell():
    rows = page(
        "<table><tr><td>a</td><td>b</td></tr><tr><td rowspan=2>1</td><td>2</td></tr><tr><td>3</td></tr>"
        "<tr><td>4</td><td>5</td></tr></table>"
    )
    assert rows == [{"a": "1", "b": "2"}, {"a": "", "b": "3"}, {"a": "4", "b": "5"}]


def test_of_several_tables_the_one_with_most_cells_is_taken():
    small = "<table><tr><td>x</td></tr><tr><td>y</td></tr></table>"
    large = "<table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>"
    assert page(small + large + small) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    "markup", ["<table></table>", "<table><tr><td>alone</td></tr></table>", "<html>sign in</html>"]
)
def test_a_page_without_rows_is_refused(markup):
    with pytest.raises(UnreadableFileError, match="without a table of rows"):
        page(markup)


@pytest.mark.parametrize(
    ("head", "charset"),
    [
        (b'<meta charset="windows-1252">', "windows-1252"),
        (b'<meta http-equiv=Content-Type content="text/html; charset=utf-8">', "utf-8"),
        (b"<meta charset=iso-8859-1>", "cp1252"),
        (b"<meta charset=nonsense>", None),
        (b"<meta charset=base64>", None),
        (b"<html>", None),
    ],
)
def test_a_page_says_its_own_charset(head, charset):
    assert declared_charset(head) == charset


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        ([HEADER, ["Ada", "ada@example.com", "Lugo"]], 0),
        ([["Report", "Leads", ""], HEADER, ["Ada", "ada@example.com", "Lugo"]], 1),
        ([["Person", "", "Place"], ["First Name", "Email", "City"], ["Ada", "ada@example.com", "Lugo"]], 1),
        ([HEADER, ["Vorname", "E-Mail", "Ort"], ["Ada", "ada@example.com", "Lugo"]], 0),
        ([["x", "y", "z"], ["Ada", "ada@example.com", "Lugo"]], 0),
        ([["Kanal", "Art"], ["Email", "Phone"], ["Phone", "Email"]], 0),
        ([["q1", "q2", "q3"], ["Email", "Phone", "ada@example.com"]], 0),
    ],
)
def test_a_header_below_other_rows_is_known_by_its_titles_and_a_lead_is_none(rows, index):
    assert find_header(rows) == index


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["Ada", "ada@example.com", "Lugo"], None),
        (["First Name", "Email", "City"], "repeated_header"),
        ([" First Name ", "Email", "City "], "repeated_header"),
        (["Total", "", "3"], "totals_row"),
        (["Total: 3", "", ""], "totals_row"),
        (["", "Summe", "1.234,50 €"], "totals_row"),
        (["TOTAL GENERAL", "", ""], "totals_row"),
        (["Total", "ada@example.com", "Lugo"], None),
        (["Total", "", "Lugo"], None),
        (["Totali", "", ""], None),
        (["", "", ""], None),
        (["First Name", "ada@example.com", "City"], None),
    ],
)
def test_a_line_that_is_no_lead_is_named(cells, code):
    no_leads = NoLeads(HEADER)
    for _ in range(5):
        assert no_leads.fault(2, ["x", "y@example.com", "z"]) is None
    fault = no_leads.fault(9, cells)
    assert (fault[0] if fault else None) == code
    assert fault is None or "line 9" in fault[1]


def test_a_second_header_is_looked_for_directly_below_the_first_only():
    no_leads = NoLeads(HEADER)
    second = ["Vorname", "E-Mail", "Ort"]
    assert no_leads.fault(2, second) == ("repeated_header", "line 2: a second header, not a lead")
    for line in (3, 4):
        no_leads.fault(line, ["x", "y@example.com", "z"])
    assert no_leads.fault(5, second) is None
