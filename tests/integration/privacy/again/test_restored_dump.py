"""Yesterday's dump of the database, restored by PostgreSQL's own programs: who was erased since is gone again, and
neither the dump nor the old files bring them back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.privacy import erasure
from pipeline.privacy.subjects import Asked
from pipeline.supervisor.postgresql_server import find_binaries
from tests.support.command_line import deliver, run, work
from tests.support.identity_rows import rows
from tests.support.needles import ADA, needles_left, plant, rows_left
from tests.support.own_ledger import BEA
from tests.support.services import forget_caches

OLD_FILE = f"""Email,Phone,Full name
{str(ADA["email"]).upper()},{ADA["phone"]},{ADA["full_name"]}
{BEA["email"]},,{BEA["full_name"]}
"""
PEOPLE = "SELECT to_jsonb(p) - '{version,updated_at,profile,touches,latest_at,latest_event}'::text[] FROM people p"


def libpq(url: str) -> str:
    return url.replace("+psycopg2", "")


def program(name: str, *arguments: str) -> None:
    subprocess.run([str(find_binaries() / name), *arguments], check=True, capture_output=True, timeout=60)


def import_again(file: Path) -> None:
    done = run("import", str(file), "--source", "csv_import", "--accept", "--json")
    assert done.returncode == 0, done.stderr
    work()


@pytest.mark.long
def test_a_dump_of_before_and_the_old_files_bring_nobody_back(
    installation, database, empty_database, tmp_path, monkeypatch
):
    bea = installation.person(BEA)
    ada, ids = plant()
    dump, file = tmp_path / "yesterday.dump", tmp_path / "old.csv"
    file.write_text(OLD_FILE)
    program("pg_dump", "--format=custom", f"--file={dump}", libpq(database))

    request = erasure.erase(Asked(email=str(ADA["email"])), by="vera")
    assert rows("SELECT person_id FROM people") == [(bea,)]
    import_again(file)
    assert rows("SELECT person_id FROM people") == [(bea,)]

    program("pg_restore", "--exit-on-error", f"--dbname={libpq(empty_database)}", str(dump))
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", empty_database)
    forget_caches()
    assert {person for (person,) in rows("SELECT person_id FROM people")} == {ada, bea}
    assert needles_left()
    before = rows(f"{PEOPLE} WHERE person_id = %s", bea)
    done = run("migrate")
    assert "of the ledger done again" in done.stdout
    assert set(needles_left()) == {"deliveries.external_id"}  # by which the CRM is told once more to delete
    assert set(rows("SELECT wanted FROM deliveries WHERE external_id LIKE %s", "needle%")) == {("absent",)}
    import_again(file)
    assert rows(f"{PEOPLE} WHERE person_id = %s", bea) == before
    assert rows("SELECT person_id FROM people") == [(bea,)]
    assert ("suppressed", "erased") in rows("SELECT state, reason FROM events WHERE source = 'csv_import'")
    deliver()
    assert erasure.advance(request.request_id).state == "done"
    assert (needles_left(), rows_left(ids)) == ({}, {})
