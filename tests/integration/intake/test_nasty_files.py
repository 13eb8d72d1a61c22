"""Each nasty file alone, as the reader takes it; and that no bytes whatsoever get anything else out of it."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.authoring.column_proposals import propose
from pipeline.authoring.proposed_source import draft_source
from pipeline.intake.files.reading import ReadAs, open_rows_of
from pipeline.intake.files.unreadable import UnreadableFileError
from pipeline.intake.instances import SourceInstance
from tests.support import nasty_files
from tests.support.properties import examples

MAPPING = draft_source("nasty", propose(nasty_files.HEADER, nasty_files.rows("x")), is_declared=False)


def instance() -> SourceInstance:
    from connectors.kit import Connector, File

    connector = Connector("nasty", "Nasty", "@tests", "https://www.example.com/", File())
    return SourceInstance("default", "nasty", connector, "bulk", enabled=True)


def opened(path: Path, **said):
    return open_rows_of(path, instance(), MAPPING.mapping, read_as=ReadAs(**said))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("files")
    nasty_files.build(path)
    return path


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return nasty_files.build(tmp_path_factory.mktemp("expected"))


@pytest.mark.parametrize("name", sorted(nasty_files.names()))
def test_a_nasty_file_gives_its_rows_or_its_reason(name, folder, expected):
    one = expected[name]
    if one.unreadable:
        with pytest.raises(UnreadableFileError, match=one.unreadable):
            opened(folder / name)
        return
    rows = list(opened(folder / name).rows)
    assert len(rows) == one.accepted
    assert tuple((row.line, row.code) for row in rows if row.code) == one.rejected
    assert all(f"line {row.line}" in row.message for row in rows if row.code)


def test_a_workbook_gives_phones_their_digits_dates_as_iso_and_no_digit_that_was_lost(folder):
    rows = list(opened(folder / "typed_cells.xlsx").rows)
    assert [row.record["Phone"] for row in rows] == ["12025550143", "12025550144", "1.234567890123457e+19"]
    assert [row.record["Created At"] for row in rows] == ["2026-04-03", "2026-04-03T09:00:00", "46115"]
    assert rows[2].record["City"] == "10115"


def test_a_long_number_is_named_and_costs_its_row_only_where_it_tells_people_apart(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["Lead ID", "Email", "Ad ID"])
    book.active.append(["17", "a@example.com", 120210000000000012])
    book.active.append([120210000000000012, "b@example.com", None])
    book.save(tmp_path / "ids.xlsx")
    headers = ["Lead ID", "Email", "Ad ID"]
    mapping = draft_source("ids", propose(headers, []), is_declared=False).mapping
    file = open_rows_of(tmp_path / "ids.xlsx", instance(), mapping)
    rows = list(file.rows)
    assert [row.code for row in rows] == [None, "imprecise_number"]
    assert rows[1].message == "line 3: 'Lead ID' has more than 15 digits, which Excel does not keep"
    assert sorted(file.notes.imprecise_columns) == ["Ad ID", "Lead ID"]


def test_merged_titles_name_each_of_their_columns_and_a_merged_cell_its_first_row_only(folder):
    rows = list(opened(folder / "merged_cells.xlsx").rows)
    assert list(rows[0].record) == ["First Name", "Last Name", "Email", "Phone", "Company name", "City", "Created At"]
    assert [row.record["City"] for row in rows] == ["Köln", ""]


@pytest.mark.parametrize(
    ("cells", "decided"),
    [
        (["2026-01-05", "2026-05-01"], {}),
        (["", ""], {}),
        (["25/03/2026", "03/04/2026"], {"Created At": "dmy"}),
        (["03/04/2026", "03/25/2026"], {"Created At": "mdy"}),
        (["03.04.2026", "05.04.2026"], {"Created At": "dmy"}),
        (["03/03/2026", "2026-01-05"], {}),
        (["March 5, 2026", "5 March 2026"], {}),
    ],
)
def test_a_column_of_dates_is_decided_as_a_whole(tmp_path, cells, decided):
    assert opened(dated(tmp_path, cells)).dates == decided


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["03/04/2026", "05/04/2026"], "line 2 reads 03/04/2026"),
        (["25/03/2026", "03/25/2026"], "line 3 reads 03/25/2026"),
    ],
)
def test_a_column_that_nobody_can_decide_refuses_the_file_and_names_two_remedies(tmp_path, cells, said):
    path = dated(tmp_path, cells)
    with pytest.raises(UnreadableFileError) as refused:
        opened(path)
    for words in ("'Created At'", said, "--dates dmy", "order: dmy", "mappings/sources/nasty.yaml"):
        assert words in str(refused.value)
    assert opened(path, dates="mdy").dates == {"Created At": "mdy"}


def test_dates_of_json_lines_are_decided_over_all_lines(tmp_path):
    path = tmp_path / "dates.jsonl"
    lines = [{"Email": "a@example.com", "Created At": "03/04/2026"}, {"Email": "b@example.com"}]
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(UnreadableFileError, match="'Created At'"):
        opened(path)
    path.write_text("\n".join(map(json.dumps, [*lines, {"Created At": "03/25/2026"}])))
    assert opened(path).dates == {"Created At": "mdy"}


def test_evidence_in_the_last_row_decides_the_first(tmp_path):
    assert opened(dated(tmp_path, ["03/04/2026"] * 5000 + ["25/03/2026"])).dates == {"Created At": "dmy"}


def test_a_mapping_that_says_the_order_needs_no_evidence(tmp_path):
    text = MAPPING.files[Path("mappings", "sources", "nasty.yaml")].replace("as: date", "as: date, order: mdy")
    path = tmp_path / "nasty.yaml"
    path.write_text(text)
    from pipeline.stages.mapping.source_mapping import read_source_mapping

    file = open_rows_of(dated(tmp_path, ["03/04/2026"]), instance(), read_source_mapping(path))
    assert file.dates == {}
    assert len(list(file.rows)) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252"])
def test_dates_are_found_in_any_encoding(tmp_path, encoding):
    assert opened(dated(tmp_path, ["25/03/2026"], encoding=encoding)).dates == {"Created At": "dmy"}


def dated(folder: Path, cells: list[str], *, encoding: str = "utf-8") -> Path:
    table = [[*row[:6], cell] for row, cell in zip(nasty_files.rows("dated", len(cells)), cells, strict=True)]
    path = folder / "dated.csv"
    path.write_bytes(nasty_files.text(table).encode(encoding))
    return path


def test_bytes_in_a_title_that_are_no_text_cost_no_row(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"Email,Caf\x9d,City\nada@example.com,yes,Lugo\neve@example.com,\x9d,Vigo\n")
    rows = list(opened(path).rows)
    assert [(row.line, row.code) for row in rows] == [(2, None), (3, "undecodable_row")]
    assert list(rows[0].record) == ["Email", "Caf?", "City"]


def test_a_zip_file_with_a_wrong_check_sum_is_refused(folder, tmp_path):
    raw = bytearray((folder / "one_file_within.zip").read_bytes())
    entry = raw.rindex(b"PK\x01\x02", 0, raw.index(b"export/leads.csv", raw.index(b"PK\x01\x02")))
    raw[entry + 16] ^= 0xFF  # of the CRC-32 in the archive's directory
    (tmp_path / "x.zip").write_bytes(bytes(raw))
    with pytest.raises(UnreadableFileError, match="damaged"):
        opened(tmp_path / "x.zip")


def account_for(path: Path) -> None:
    """Every row good or with line and reason; or the one error."""
    try:
        file = opened(path)
        for row in file.rows:
            json.loads(row.body) if row.code is None else None
            assert row.line >= 1
            assert row.code is None or f"line {row.line}" in row.message
    except UnreadableFileError:
        pass


NOISE = st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
BEGINNINGS = [
    *(b"", b"First Name,Email\n", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x1f\x8b\x08", b"PK\x03\x04"),
    *(b"{", b"[{", b"sep=;\n", b'Email\n"', b"Total\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<?xml?><table"),
    *(b"<html><table><tr><td>Email<td>Phone<tr>", b"<table><tr><td rowspan=9 colspan=9>", b"<table><![CDATA["),
]
ANY = settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY
@given(st.sampled_from(BEGINNINGS), NOISE, st.sampled_from(["x.csv", "x.jsonl", "x.xlsx", "x.json", "x.gz"]))
def test_any_bytes_are_rows_or_one_error(tmp_path, beginning, noise, name):
    path = tmp_path / name
    path.write_bytes(beginning + noise)
    account_for(path)


@ANY
@given(NOISE, st.booleans())
def test_any_bytes_within_an_archive_are_rows_or_one_error(tmp_path, noise, is_zip):
    path = tmp_path / "x"
    if is_zip:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.csv", noise)
    else:
        path.write_bytes(gzip.compress(noise))
    account_for(path)


@pytest.mark.long
@ANY
@given(st.data())
def test_a_file_damaged_anywhere_is_rows_or_one_error(tmp_path, folder, data):
    names = [
        "typed_cells.xlsx",
        "locked.xlsx",
        "page_named.xls",
        "one_file_within.zip",
        "packed.csv.gz",
        "utf16_mark.csv",
    ]
    whole = bytearray((folder / data.draw(st.sampled_from(names))).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))]))
    account_for(path)
