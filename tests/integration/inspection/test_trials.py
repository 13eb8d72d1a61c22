"""Rows of a file tried by a program: what each would become, and nothing is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.inspection.names import find_instance
from pipeline.inspection.trials import FileTrial, try_file, try_files
from pipeline.store.engine import transaction

HEADER = "Account Id,First Name,Last Name,Email 1"


def tried(tmp_path: Path, rows: list[str], **options) -> FileTrial:
    path = tmp_path / "leads.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return try_file(path, find_instance("datablist"), **options)


def count_events() -> int:
    with transaction() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one()


@pytest.mark.usefixtures("database")
def test_a_trial_shows_mapped_rows_and_what_would_be_quarantined_and_stores_nothing(tmp_path):
    trial = tried(tmp_path, ["a1,ada,LOVELACE,Ada@Example.ORG", "a2,F", ",,Nobody,"])
    assert [row.state for row in trial.rows] == ["ready", "quarantined", "quarantined"]
    assert trial.rows[0].fields["email"] == "ada@example.org"
    assert trial.rows[1].reason == "ragged_row"
    assert trial.rows[2].reason == "nothing_to_identify"
    assert trial.counts == {"rows": 3, "ready": 1, "quarantined": 2, "suppressed": 0}
    assert "example.org" not in repr(trial).lower()
    assert count_events() == 0


def test_a_trial_holds_no_more_good_rows_than_asked_for_but_counts_all(tmp_path):
    heard: list[int] = []
    rows = [f"a{number},F,L,f{number}@example.org" for number in range(501)]
    trial = tried(tmp_path, rows, shown=7, on_progress=heard.append)
    assert len(trial.rows) == 7
    assert trial.counts["ready"] == 501
    assert heard == [500]


def test_a_file_that_is_no_table_says_so_and_the_others_are_tried(tmp_path):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(f"{HEADER}\na1,Ada,Lovelace,ada@example.org\n")
    bad.write_bytes(b"%PDF-1.7\n")
    first, second = try_files([bad, good], find_instance("datablist"))
    assert (first.unreadable is not None, first.rows) == (True, [])
    assert (second.unreadable, second.counts["ready"]) == (None, 1)
