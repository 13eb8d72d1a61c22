"""What a table of leads looks like: its delimiter, its header, the names of its columns, its bad rows."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.files.contents import FileContents, UnreadableFileError
from pipeline.intake.files.csv_rows import read_csv
from pipeline.intake.files.rows import TableNotes, find_header, name_columns


def rows_of(text: str):
    raw = text.encode()
    notes = TableNotes()
    contents = FileContents("table", b"", len(raw), "utf-8", lambda: io.BytesIO(raw))
    return list(read_csv(contents, notes)), notes


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        ("a;b;c\n1,5;2,5;3,5\n", ";"),
        ("a,b,c\n1;5,2,3\n", ","),
        ("a\tb\n1, 2 and 3\t4\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ("email\na@example.org\n", ","),
        ('a,b\n"x;y;z;w",2\n"x;y;z;w",3\n', ","),
    ],
)
def test_the_delimiter_is_the_one_that_makes_rows_alike(line, delimiter):
    assert rows_of(line)[1].delimiter == delimiter


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8),
            min_size=3,
            max_size=3,
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(",;\t|"),
)
def test_whatever_is_written_as_csv_is_read_back(table, delimiter):
    import csv

    written = io.StringIO(newline="")
    out = csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    out.writerow(["Id", "Name", "City"])
    out.writerows(table)
    rows, _ = rows_of(written.getvalue())
    assert [list(json.loads(row.body).values()) for row in rows] == [row for row in table if any(row)]
    assert not any(row.code for row in rows)


@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_crash_the_reader(noise):
    raw = b"a,b,c\n1,2,3\n" + noise
    contents = FileContents("table", b"", len(raw), "utf-8", lambda: io.BytesIO(raw))
    try:
        for row in read_csv(contents, TableNotes()):
            json.loads(row.body)
    except UnreadableFileError:
        pass


@given(st.lists(st.sampled_from(["1,2,3", '"1",2,3', '1,"2,3', '"1,2,3', "1,2", 'x"y,2,3', '1,2,"3"']), max_size=30))
def test_every_line_is_accounted_for_whatever_its_quotes(lines):
    """No line vanishes: each is a row of its own, or part of a cell with breaks in it."""
    rows, _ = rows_of("a,b,c\n" + "".join(line + "\n" for line in lines))
    covered = sum(1 + sum(str(cell).count("\n") for cell in row.record.values()) for row in rows if row.code is None)
    assert covered + sum(row.code is not None for row in rows) == len(lines)


def test_the_header_is_found_below_sure_titles_only():
    wide = ["Id", "Name", "City"]
    assert find_header([["Leads of May"], [], wide, ["1", "A", "L"]]) == 2
    assert find_header([["Leads of May", "", ""], wide, ["1", "A", "L"]]) == 1
    assert find_header([wide, ["1", "A", "L"]]) == 0
    assert find_header([["email"], ["x"], ["y"]]) == 0
    assert find_header([["Leads"], ["Id", "Name"], ["1", "A"]]) == 0  # two columns are no proof


def test_a_first_row_with_an_address_is_no_header():
    with pytest.raises(UnreadableFileError):
        find_header([["ada@example.org", "Ada"], ["eve@example.org", "Eve"]])


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (["a", "b"], ["a", "b"]),
        ([" a ", "\ufeffb"], ["a", "b"]),
        (["a", "", "c"], ["a", "column_2", "c"]),
        (["a", "a", "a"], ["a", "a (2)", "a (3)"]),
        (["a", "a (2)", "a"], ["a", "a (2)", "a (3)"]),
        (["column_2", "", "c"], ["column_2", "column_2 (2)", "c"]),
    ],
)
def test_every_column_gets_one_name_of_its_own(header, names):
    assert name_columns(header, [["1"] * len(header)], TableNotes()) == names


def test_a_line_longer_than_a_lead_costs_itself_only():
    endless = "x" * 3_000_000
    rows, _ = rows_of(f'email,name,note\na@x.org,A,1\nb@x.org,{endless},2\nc@x.org,"{endless}\n",3\nd@x.org,D,4\n')

    good = {row.record["email"] for row in rows if row.code is None}
    assert good == {"a@x.org", "d@x.org"}
    overlong = [row for row in rows if row.code == "overlong_line"]
    assert [row.line for row in overlong] == [3, 4]
    assert all(len(row.raw) < 10_000 for row in overlong)


def test_a_long_message_in_a_cell_is_no_fault():
    (row,), _ = rows_of(f"email,note\na@x.org,{'y' * 300_000}\n")
    assert row.code is None
    assert len(row.record["note"]) == 300_000
