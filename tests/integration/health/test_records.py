"""`doctor` says when the ledger or the audit log's heads would be lost, or cannot be written."""

from __future__ import annotations

import shutil

import pytest

from pipeline.health.privacy.records import check_records
from pipeline.privacy import holds
from pipeline.privacy.ledger import ledger_path
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from tests.support.own_ledger import Installation
from tests.support.services import forget_caches


@pytest.fixture
def installation(database, redis_url, tmp_path, monkeypatch) -> Installation:
    (tmp_path / "elsewhere").mkdir()
    return Installation(tmp_path, monkeypatch)


def said() -> list[tuple[bool, str]]:
    return [(check.ok, check.detail) for check in check_records(settings())]


def test_a_ledger_in_a_folder_of_its_own_is_fine(installation):
    installation.configure(audit={"anchor": str(installation.ledger.parent / "heads.jsonl")})
    ((is_fine, detail),) = said()
    assert is_fine
    assert str(installation.ledger) in detail


def test_a_ledger_that_cannot_be_written_is_said(installation):
    installation.ledger.mkdir()
    ((is_fine, detail),) = said()
    assert not is_fine
    assert "cannot be written (IsADirectoryError)" in detail


def test_folders_that_are_not_there_are_said(installation, tmp_path):
    missing = tmp_path / "not-mounted"
    installation.configure(
        privacy={"ledger": str(missing / "ledger.jsonl")}, audit={"anchor": str(missing / "heads.jsonl")}
    )
    assert [detail for _, detail in said()] == [
        f"{missing}, which is to hold the ledger, is not there",
        f"{missing}, which is to hold the heads of the audit log, is not there",
    ]
    assert not missing.exists()


def test_a_relative_path_of_the_ledger_is_said(installation):
    installation.configure(privacy={"ledger": "ledger.jsonl"})
    assert ["another file for each folder" in detail for _, detail in said()] == [True]


def test_a_ledger_within_the_folder_of_the_database_is_said(installation):
    with transaction() as connection:
        folder = connection.exec_driver_sql("SHOW data_directory").scalar_one()
    installation.configure(privacy={"ledger": f"{folder}/ledger.jsonl"})
    assert ["lies in the database's own folder" in detail for _, detail in said()] == [True]


def test_a_ledger_beside_embedded_servers_is_said_once_there_is_something_to_lose(installation, tmp_path, monkeypatch):
    person_id = installation.person()
    with transaction() as connection:
        holds.place(connection, holds.HOLD, person_id, reason="case 17", by="vera")
    installation.configure(privacy={"ledger": None})
    monkeypatch.delenv("AFLUENTE_DATABASE_URL")
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))
    forget_caches()
    ledger = ledger_path()
    ledger.parent.mkdir(parents=True)
    assert [is_fine for is_fine, _ in said()] == [True]
    shutil.copy(installation.ledger, ledger)
    assert ["lies beside the database" in detail for _, detail in said()] == [True]
    monkeypatch.setenv("AFLUENTE_RECORDS", str(tmp_path / "elsewhere"))
    forget_caches()
    assert [is_fine for is_fine, _ in said()] == [True]
