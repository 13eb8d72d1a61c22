"""All that we hold of somebody, for them: every needle that the inventory shows, nobody else, no digest."""

from __future__ import annotations

import csv
import json
import stat
import zipfile

import pytest

from pipeline.privacy.inventory import VALUE, tables_of_people
from pipeline.store.engine import transaction
from tests.support.command_line import capture, deliver, problem, run, work
from tests.support.identity_rows import rows
from tests.support.needles import ADA, plant, text_columns

pytestmark = pytest.mark.usefixtures("database")
EMAIL = str(ADA["email"])


def export(tmp_path, *options: str, name: str = "out") -> dict:
    out = tmp_path / name
    done = run("privacy", "export", *(options or ("--email", EMAIL)), "--out", str(out))
    assert done.returncode == 0, done.stderr
    return json.loads((out / "data.json").read_text())


def test_every_needle_that_is_to_be_shown_is_there_and_none_other(tmp_path):
    plant()
    text = json.dumps(export(tmp_path))
    with transaction() as connection:
        planted = {
            (held.table, name): held.columns[name].is_exported
            for held in tables_of_people()
            if held.reach
            for name, _ in text_columns(connection, held)
        }
    assert len(planted) > 25
    shown = {key for key in planted if f"needle-{key[0]}-{key[1]}" in text}
    assert shown == {key for key, is_exported in planted.items() if is_exported}
    # what is sealed: the profile, what came, what is compared
    for value in (
        "needle.ada@example.org",
        "Needle Sample",
        "needle-custom",
        "needle-message",
        "+34612345678",
        "needle-activity",
    ):
        assert value in text, value


def test_no_digest_and_no_sealed_byte_is_in_it(tmp_path):
    plant()
    data = export(tmp_path)
    for held in tables_of_people():
        for row in data["tables"].get(held.table, ()):
            hidden = {column.name for column in held.columns.values() if not column.is_exported}
            assert not hidden & row.keys(), held.table
    assert "\\x" not in json.dumps(data)


def test_nobody_else_is_in_it_and_of_a_larger_body_their_part_alone(tmp_path):
    capture({"email": "ben@example.com", "full_name": "Ben Kairo", "company": "Needle Works", "phone": ADA["phone"]})
    plant()
    text = json.dumps(export(tmp_path)).lower()
    assert "ben" not in text.replace("benefit", "")


def test_two_brands_never_see_each_other(tmp_path, monkeypatch):
    config = tmp_path / "afluente.yaml"
    config.write_text("brands: {default: {region: ES}, casa: {region: ES}}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    from tests.support.services import forget_caches

    forget_caches()
    capture({"email": EMAIL, "message": "of the first"})
    capture({"email": EMAIL, "message": "of the second"}, brand="casa")
    work()
    text = json.dumps(export(tmp_path, "--email", EMAIL, "--brand", "casa"))
    assert "of the second" in text
    assert "of the first" not in text
    ((first,),) = rows("SELECT person_id FROM people WHERE brand = 'default'")
    message = problem(
        "privacy", "export", "--person", str(first), "--brand", "casa", "--out", str(tmp_path / "x"), code=1
    )
    assert "no person has the id" in message
    deliver()
    run("privacy", "erase", "--email", EMAIL, "--brand", "casa", "--yes", "--no-wait")
    assert [row[0] for row in rows("SELECT brand FROM people")] == ["default"]
    assert {row[0] for row in rows("SELECT brand FROM suppressions")} == {"casa"}


def test_what_the_law_asks_for_besides_is_said(tmp_path):
    plant()
    about = export(tmp_path)["about"]
    assert about["recipients"][0]["recipient"] == "sandbox"
    assert {"recipient", "last_told_at"} == about["recipients"][0].keys()
    assert about["sources"] == ["api"]
    assert any("marketing" in purpose for purpose in about["purposes"])
    assert about["rights"]
    assert about["automated_decisions"]
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert "needle.ada@example.org" in summary
    assert "sandbox, last on" in summary


def test_the_files_are_their_owners_alone_and_a_cell_is_no_formula(tmp_path):
    plant({**ADA, "message": "=HYPERLINK(1)"})
    rows("UPDATE consents SET source = '=1+1' RETURNING 1")
    export(tmp_path)
    for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    with (tmp_path / "out" / "tables" / "consents.csv").open(newline="") as file:
        (consent,) = csv.DictReader(file)
    assert consent["source"] == "'=1+1"


def test_an_archive_is_the_same_in_one_file_and_nothing_is_written_over(tmp_path):
    plant()
    out = tmp_path / "ada.zip"
    run("privacy", "export", "--email", EMAIL, "--out", str(out))
    with zipfile.ZipFile(out) as archive:
        assert {"summary.md", "data.json", "tables/people.csv"} <= set(archive.namelist())
    assert "is there already" in problem("privacy", "export", "--email", EMAIL, "--out", str(out), code=2)


def test_an_export_is_an_entry_of_the_audit_log(tmp_path):
    plant()
    export(tmp_path)
    assert rows("SELECT action FROM audit_log WHERE action = 'person.export'") == [("person.export",)]
    assert not [
        held
        for held in tables_of_people()
        if held.fate == "kept" and any(column.kind == VALUE for column in held.columns.values())
    ]


def test_a_place_that_cannot_be_written_is_refused_with_another_place_as_the_remedy(tmp_path):
    out = tmp_path / "missing" / "deeper" / "ada.zip"
    (tmp_path / "missing").write_text("a file where a folder would be")
    capture({"email": "out@example.org", "full_name": "Ora Out"})
    work()
    said = problem("privacy", "export", "--email", "out@example.org", "--out", str(out), code=2)
    assert said.endswith("name another file with --out\n")
    assert "data folder" not in said
