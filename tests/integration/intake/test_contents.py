"""What came before is recognized by what it says, as its mapping reads it, whatever else stands beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from connectors.kit.sources.idempotency import former_digest
from pipeline.intake import contents, keys
from pipeline.intake.arrivals import new_event
from pipeline.intake.files.imports import import_file
from pipeline.intake.instances import SourceBook
from pipeline.records import Envelope
from pipeline.settings.loading import settings
from pipeline.stages.mapping import source_mapping
from pipeline.stages.mapping.source_mapping import read_source_mapping
from pipeline.stages.reloading import Reloading
from pipeline.store.engine import count_statements, transaction
from pipeline.values.yaml_files import MAPPINGS
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows
from tests.support.intake_server import stored_events

pytestmark = pytest.mark.usefixtures("database", "redis_url")

WITH_ID = "Account Id,First Name,Last Name,Email 1,Company,Index"
ROWS = ["a-1,Nadia,Farrow,nadia@farrow.example,Farrow KG,1", "a-2,Otto,Kern,otto@kern.example,,2"]


@pytest.fixture
def mapping(tmp_path, monkeypatch) -> Path:
    """The mapping of datablist, to be edited; this process reads the copy, as a company's."""
    shutil.copytree(MAPPINGS, tmp_path / "home" / "mappings")
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(keys, "_REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(contents, "_READINGS_SECONDS", 0.0)
    fresh = Reloading("sources", read_source_mapping, missing="no mapping for")
    for name, value in vars(fresh).items():
        monkeypatch.setattr(source_mapping.SOURCE_MAPPINGS, name, value)
    return tmp_path / "home" / "mappings" / "sources" / "datablist.yaml"


def take(tmp_path: Path, header: str, lines: list[str]) -> tuple[int, int, int]:
    """Imports a table; gives how many rows were accepted, repeated, revised."""
    path = tmp_path / "leads.csv"
    path.write_text("\n".join([header, *lines]))
    report = import_file(path, source="datablist", brand="default")
    return report.accepted, report.repeated, report.revised


def without_id(header: str, lines: list[str]) -> tuple[str, list[str]]:
    return header.partition(",")[2], [line.partition(",")[2] for line in lines]


@pytest.mark.parametrize("has_id", [True, False])
def test_a_second_export_that_says_the_same_repeats_every_row(tmp_path, has_id):
    def as_given(header: str, lines: list[str]) -> tuple[str, list[str]]:
        return (header, lines) if has_id else without_id(header, lines)

    assert take(tmp_path, *as_given(WITH_ID, ROWS)) == (2, 0, 0)
    ignored_differs = [line.rpartition(",")[0] + ",9" for line in ROWS]
    one_more_column = [f"{line}," for line in ROWS]
    blanks = [line.replace(",", " , ") + " " for line in ROWS]
    for header, lines in (
        (WITH_ID, ROWS[::-1]),
        (WITH_ID, ignored_differs),
        (f"{WITH_ID},Lead Score", one_more_column),
        (WITH_ID, blanks),
    ):
        assert take(tmp_path, *as_given(header, lines)) == (0, 2, 0)
    header, lines = without_id(WITH_ID, ROWS)
    reordered = [f"{WITH_ID.partition(',')[0]},{header}"] if has_id else [header]
    cells = [line.split(",")[::-1] for line in (reordered + (ROWS if has_id else lines))]
    assert take(tmp_path, ",".join(cells[0]), [",".join(line) for line in cells[1:]]) == (0, 2, 0)


def test_a_row_that_says_something_else_of_a_known_id_is_a_revision_and_one_without_id_a_lead(tmp_path):
    changed = [ROWS[0].replace("Farrow KG", "Farrow AG"), ROWS[1]]
    take(tmp_path, WITH_ID, ROWS)
    assert take(tmp_path, WITH_ID, changed) == (1, 1, 1)
    assert take(tmp_path, WITH_ID, ROWS) == (0, 2, 0)
    take(tmp_path, *without_id(WITH_ID, ROWS))
    assert take(tmp_path, *without_id(WITH_ID, changed)) == (1, 1, 0)


@pytest.mark.parametrize("has_id", [True, False])
def test_after_a_mapping_ignores_more_or_less_the_same_file_repeats(tmp_path, mapping, has_id):
    given = (WITH_ID, ROWS) if has_id else without_id(WITH_ID, ROWS)
    assert take(tmp_path, *given) == (2, 0, 0)
    text = mapping.read_text()
    for ignored in ("Index, Lead Score", "Lead Score", "Index"):
        mapping.write_text(text.replace("ignored: [Index]", f"ignored: [{ignored}]"))
        assert take(tmp_path, *given) == (0, 2, 0)
        assert take(tmp_path, *given) == (0, 2, 0)
    mapping.write_text(text.replace("ignored: [Index]", "ignored: [Lead Score]"))
    other = [line.rpartition(",")[0] + ",9" for line in given[1]]
    assert take(tmp_path, given[0], other) == (2, 0, 2 if has_id else 0)


def as_before_the_update() -> None:
    """Keys as the version before wrote them: no content, and without id the digest of all cells as they came."""
    connector = SourceBook(settings()).find("default", "datablist").connector
    with transaction() as connection:
        for event in stored_events("datablist"):
            digest = former_digest(connector, json.loads(event.envelope.body))
            connection.exec_driver_sql(
                "UPDATE event_keys SET content = NULL, digest = %s WHERE event_id = %s", (digest, event.event_id)
            )
        connection.exec_driver_sql("DELETE FROM content_readings")
        connection.exec_driver_sql("INSERT INTO content_readings VALUES ('default', 'datablist', '', '{}')")
    contents._readings.cache_clear()


@pytest.mark.parametrize("has_id", [True, False])
def test_what_was_imported_before_the_update_repeats_and_has_no_second_touch(tmp_path, has_id):
    given = (WITH_ID, ROWS) if has_id else without_id(WITH_ID, ROWS)
    take(tmp_path, *given)
    work()
    as_before_the_update()
    assert take(tmp_path, *given) == (0, 2, 0)
    ignored_differs = [line.rpartition(",")[0] + ",9" for line in given[1]]
    assert take(tmp_path, given[0], ignored_differs) == (0, 2, 0)
    changed = [line.replace("nadia@farrow.example", "nadia@kern.example") for line in given[1]]
    assert take(tmp_path, given[0], changed) == (1, 1, int(has_id))
    work()
    assert rows("SELECT count(*) FROM touches") == [(2 if has_id else 3,)]


def test_storing_what_is_new_or_known_makes_two_statements_or_one(tmp_path):
    records = [{"external_id": f"x-{number}", "email": f"x{number}@sample.example"} for number in range(20)]
    capture(*records[:1])  # what a process learns once
    for expected in (2, 1):
        with count_statements() as seen:
            capture(*records[1:])
        assert seen.count - 2 <= expected


def test_ids_that_name_nobody_make_no_two_people_one(tmp_path):
    people = [
        {"id": value, "updated_at": "2026-03-01T09:00:00Z", "email": f"p{number}@sample.example"}
        for number, value in enumerate([0, 0, "0", None, "", "null", "none", "undefined", "0"])
    ]
    events = capture(*people, source="json_feed")
    assert len(set(events)) == len(people)
    assert capture(*people, source="json_feed") == events
    work()
    assert rows("SELECT count(*) FROM people WHERE merged_into IS NULL") == [(len(people),)]


def test_entries_of_one_named_delivery_with_other_content_are_all_taken():
    instance = SourceBook(settings()).find("default", "standard_webhooks")

    def deliver(*emails: str) -> list[bool]:
        events = [
            new_event(
                instance,
                record := {"type": "lead", "timestamp": "2026-03-01T09:00:00Z", "data": {"email": email}},
                Envelope("application/json", json.dumps(record).encode()),
                header_value="msg-1",
                index=index,
            )
            for index, email in enumerate(emails)
        ]
        with transaction() as connection:
            return [receipt.repeated for receipt in contents.store_events(connection, events)]

    assert deliver("ada@sample.example", "bea@sample.example") == [False, False]
    assert deliver("ada@sample.example", "bea@sample.example") == [True, True]
    assert deliver("bea@sample.example", "carl@sample.example") == [False, False]
    work()
    assert rows("SELECT count(*) FROM people WHERE merged_into IS NULL") == [(3,)]
    assert rows("SELECT count(*) FROM events WHERE superseded_by IS NOT NULL") == [(0,)]
