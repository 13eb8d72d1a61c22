"""A file goes by the bulk lane whatever its source, unless whoever imports it says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.inspection.trials import try_rows
from pipeline.intake.files.imports import import_file
from pipeline.intake.files.reading import ReadAs
from pipeline.intake.instances import SourceBook
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from tests.support.command_line import answer, capture, problem, run
from tests.support.intake_server import stored_events

ROWS = '{"email": "ada@example.org", "last_name": "Lovelace"}\n{"email": "alan@example.org", "last_name": "Turing"}\n'
CUT = '{"email": "eve@example.org"\n'


@pytest.fixture
def file(database, tmp_path) -> Path:
    """Leads of `api`, a hot source."""
    assert SourceBook(settings()).find("default", "api").lane == "hot"
    path = tmp_path / "leads.jsonl"
    path.write_text(ROWS, encoding="utf-8")
    return path


def lanes() -> list[str]:
    with transaction() as connection:
        return list(connection.exec_driver_sql("SELECT lane FROM events ORDER BY event_id").scalars())


def import_as(file: Path, lane: str | None = None):
    return import_file(file, source="api", brand="default", read_as=ReadAs(lane=lane))


def test_the_rows_of_a_hot_source_s_file_go_by_bulk(file):
    import_as(file)
    assert lanes() == ["bulk", "bulk"]


def test_they_go_by_the_lane_that_is_asked_for(file):
    import_as(file, "hot")
    assert lanes() == ["hot", "hot"]


def test_rows_that_cannot_be_read_go_the_same_way_as_the_others(file):
    file.write_text(ROWS + CUT, encoding="utf-8")
    assert import_as(file).rejected == 1
    assert lanes() == ["bulk"] * 3


def test_a_row_of_an_earlier_import_stays_in_the_lane_that_it_was_taken_in(file):
    import_as(file)
    file.write_text(ROWS + '{"email": "new@example.org", "last_name": "Hopper"}\n', encoding="utf-8")
    again = import_as(file, "hot")
    assert (again.accepted, again.repeated) == (1, 2)
    assert lanes() == ["bulk", "bulk", "hot"]


def test_a_lead_that_the_source_sent_itself_keeps_its_lane_when_it_comes_in_a_file_too(file):
    capture({"email": "ada@example.org", "last_name": "Lovelace"})
    report = import_as(file)
    assert (report.accepted, report.repeated) == (1, 1)
    assert lanes() == ["hot", "bulk"]


def test_the_lane_that_is_hinted_for_is_the_one_the_rows_went_by(file, redis_client):
    import_as(file)
    assert (redis_client.llen("bulk"), redis_client.llen("hot")) == (1, 0)
    file.write_text('{"email": "new@example.org", "last_name": "Hopper"}\n', encoding="utf-8")
    import_as(file, "hot")
    assert redis_client.llen("hot") == 1


def test_a_rehearsal_tries_rows_in_the_lane_that_they_would_go_by(file):
    instance = SourceBook(settings()).find("default", "api")
    opened, trials = try_rows(file, instance)
    assert opened.instance.lane == "bulk"
    assert [trial.recomputed.raw.lane for trial in trials if trial.recomputed] == ["bulk", "bulk"]


def test_of_a_folder_every_file_goes_by_the_lane_that_the_command_names(file):
    folder = file.parent / "exports"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.jsonl").write_text(f'{{"email": "ada{number}@example.org"}}\n', encoding="utf-8")
    answer("import", str(folder), "--source", "api", "--lane", "hot")
    answer("import", str(file), "--source", "api")
    assert lanes() == ["hot", "hot", "bulk", "bulk"]


def test_a_lane_that_does_not_exist_is_refused_with_those_that_do(file):
    assert "allowed: hot, bulk" in problem("import", str(file), "--source", "api", "--lane", "fast", code=2)
    assert lanes() == []


@pytest.mark.parametrize(
    ("lane", "told"),
    [(None, "lane bulk, as files go"), ("hot", "lane hot, as import --lane said")],
    ids=["by itself", "as asked"],
)
def test_explain_tells_which_lane_a_row_went_by_and_why(file, lane, told):
    import_as(file, lane)
    event = stored_events("api")[0]
    assert told in run("explain", str(event.event_id)).stdout
