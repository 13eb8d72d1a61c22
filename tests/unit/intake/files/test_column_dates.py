"""Which files are looked at twice for their dates: those with something like 02/03/2026 in them, wherever it stands."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.files import column_dates
from pipeline.intake.files.column_dates import holds_numeric_dates
from pipeline.intake.files.contents import FileContents


def contents(raw: bytes, *, kind="table", encoding: str = "utf-8") -> FileContents:
    return FileContents(kind, b"", len(raw), encoding, lambda: io.BytesIO(raw))


@pytest.mark.parametrize(
    "text",
    ["02/03/2026", "2/3/2026", "2/3/26", "02.03.2026", "2.3.26", "02-03-2026", "2-3-2026", "02-03-26", "2-3-26",
     "a,1/2/2026 10:00", '"25/03/2026"', "x;12-31-1999\n"],
)  # fmt: skip
def test_a_date_whose_order_may_matter_is_seen(text):
    assert holds_numeric_dates(contents(text.encode()))
    assert holds_numeric_dates(contents(f"Created At\n{text}".encode()))


@pytest.mark.parametrize(
    "text",
    ["2026-01-05", "2026-01-05T10:00:00.123Z", "2026-01-05 10:00:00", "5 March 2026", "1768471200", "46115",
     "202-555-0143", "+1-202-555-0143", "https://example.com/a/b", "1.5", "1,234.50", "", "a-1-b"],
)  # fmt: skip
def test_iso_dates_numbers_and_phones_cost_no_second_look(text):
    assert not holds_numeric_dates(contents(text.encode()))


@pytest.mark.parametrize("raw", ["1;2026-01-05".encode("utf-16"), b"1"])
def test_where_bytes_do_not_tell_the_file_is_looked_at(raw):
    assert holds_numeric_dates(contents(raw, encoding="utf-16"))
    assert holds_numeric_dates(contents(raw, kind="spreadsheet"))


@given(st.integers(0, 40), st.sampled_from(["02/03/2026", "2-3-26"]))
def test_a_date_across_two_chunks_is_seen(before, date):
    raw = b"y" * before + date.encode()
    patch = pytest.MonkeyPatch()
    patch.setattr(column_dates, "_CHUNK_BYTES", 16)
    try:
        assert holds_numeric_dates(contents(raw))
    finally:
        patch.undo()
