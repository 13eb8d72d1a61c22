"""Mappings are edited while workers run: the next batch goes by the new file, a wrong one stops nobody."""

from __future__ import annotations

import shutil

import pytest
from structlog.testing import capture_logs

from pipeline.delivery.writers import close_writer, open_writer
from pipeline.health.connector_checks import find_wrong_mappings
from pipeline.health.status import collect_status
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping import mapping as destination_mapping
from pipeline.stages.destination_mapping.mapping import read_destination_mapping
from pipeline.stages.mapping import source_mapping
from pipeline.stages.mapping.source_mapping import read_source_mapping
from pipeline.stages.reloading import Reloading
from pipeline.store.engine import transaction
from pipeline.targets import Target
from pipeline.values.yaml_files import MAPPINGS
from tests.support.command_line import capture, work

pytestmark = pytest.mark.usefixtures("database", "redis_url")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The folder of mappings, copied; this process reads the copy, as a company's."""
    shutil.copytree(MAPPINGS, tmp_path / "mappings")
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    for one, folder, read in (
        (source_mapping.SOURCE_MAPPINGS, "sources", read_source_mapping),
        (destination_mapping.DESTINATION_MAPPINGS, "destinations", read_destination_mapping),
    ):
        fresh = Reloading(folder, read, missing="no mapping for")
        for name, value in vars(fresh).items():
            monkeypatch.setattr(one, name, value)
    return tmp_path / "mappings"


def versions() -> list[str]:
    with transaction() as connection:
        rows = connection.exec_driver_sql("SELECT mapping_version FROM events ORDER BY event_id")
        return [row[0] for row in rows]


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def form(number):
    return {"submission_id": f"s-{number}", "fields": {"email": f"ada{number}@example.org"}}


def test_the_next_batch_goes_by_the_edited_file(files):
    file = files / "sources" / "web_form.yaml"
    capture(form(1), source="web_form")
    work()
    edit(file, "version: 1", "version: 2")
    capture(form(2), source="web_form")
    work()
    before, after = versions()
    assert before != after
    assert after == read_source_mapping(file).version


def test_a_wrong_file_stops_nobody_is_logged_once_and_shown(files):
    file = files / "sources" / "web_form.yaml"
    capture(form(1), source="web_form")
    work()
    edit(file, "lead:", "laed:")
    with capture_logs() as logs:
        for number in (2, 3):
            capture(form(number), source="web_form")
            work()
    assert len(set(versions())) == 1
    told = [entry for entry in logs if entry["event"] == "mapping_unreadable"]
    assert [entry["file"] for entry in told] == ["mappings/sources/web_form.yaml"]
    assert "laed" in told[0]["reason"]
    assert any("laed" in problem for problem in collect_status()["problems"])
    edit(file, "laed:", "lead:")
    assert find_wrong_mappings(settings()) == []


def test_a_worker_that_never_saw_a_right_file_quarantines_with_the_reason(files):
    edit(files / "sources" / "web_form.yaml", "lead:", "laed:")
    capture(form(1), source="web_form")
    capture({"email": "b@example.org"}, source="api")
    work()
    with transaction() as connection:
        states = connection.exec_driver_sql("SELECT source, state FROM events ORDER BY source").fetchall()
        code, message = connection.exec_driver_sql("SELECT code, message FROM quarantine").one()
    assert [tuple(row) for row in states] == [("api", "settled"), ("web_form", "quarantined")]
    assert code == "mapping_unreadable"
    assert "laed" in message


def test_an_open_writer_of_a_crm_takes_the_edited_mapping_and_stays_open(files):
    (name,) = [name for name, one in settings().destinations.items() if one.enabled]
    configured = settings().destinations[name]
    file = files / "destinations" / f"{configured.mapping_name}.yaml"
    close_writer(name)
    first = open_writer(Target(name))
    assert open_writer(Target(name)) is first
    edit(file, "version: 1", "version: 2")
    second = open_writer(Target(name))
    assert second.writer is first.writer
    assert second.mapping.version == read_destination_mapping(file).version != first.mapping.version
    file.write_text("nonsense")
    assert open_writer(Target(name)).mapping is second.mapping
    close_writer(name)


def test_a_writer_is_opened_anew_for_fields_that_it_was_not_told_of(files):
    (name,) = [name for name, one in settings().destinations.items() if one.enabled]
    configured = settings().destinations[name]
    file = files / "destinations" / f"{configured.mapping_name}.yaml"
    close_writer(name)
    first = open_writer(Target(name))
    edit(file, "fields:\n", "fields:\n  Rating: {from: product_interest, max: 40}\n")
    second = open_writer(Target(name))
    assert second.writer is not first.writer
    assert open_writer(Target(name)) is second
    close_writer(name)
