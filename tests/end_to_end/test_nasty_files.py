"""A folder of nasty files into a source nobody has mapped, through the whole house to the CRM."""

from __future__ import annotations

import json

import pytest

from tests.support import nasty_files
from tests.support.checkouts import make_checkout
from tests.support.system import System

pytestmark = pytest.mark.long  # a whole system, for a minute


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nasty")
    with System(folder / "data", root=make_checkout(folder / "house")) as running:
        yield running


def test_a_running_house_takes_a_table_it_has_never_seen_all_the_way_to_the_crm(system, tmp_path):
    path = tmp_path / "messe.csv"
    path.write_text(
        "Vorname;Name;E-Mail-Adresse;Mobil;Firma;Eingang am;Newsletter\n"
        "Zoë;Bär;Zoe.Baer@Example.org;+1 202-555-0181;Bär GmbH;25.03.2026;ja\n"
        "Ada;Sample;ada.sample@example.org;+1 202-555-0182;Works AG;03.04.2026;nein\n"
    )
    found = system.json("import", str(path), "--source", "messe_hamburg", "--accept", "--wait")
    assert found["proposal"]["accepted"] is True
    assert (found["accepted"], found["settled"], found["difference"]) == (2, 2, 0)
    names = {(one["fields"].get("FirstName"), one["fields"].get("LastName"), one["fields"].get("Email"))
             for one in system.sandbox("/_records")}  # fmt: skip
    assert {("Zoë", "Bär", "zoe.baer@example.org"), ("Ada", "Sample", "ada.sample@example.org")} <= names
    leads = {lead["email"]: lead for lead in system.lines("leads", "export", "--source", "messe_hamburg")}
    assert leads["zoe.baer@example.org"]["occurred_at"].startswith("2026-03-25")
    assert leads["ada.sample@example.org"]["occurred_at"].startswith("2026-04-03")
    assert not leads["zoe.baer@example.org"]["consents"], "a consent was guessed"
    again = system.json("import", str(path), "--source", "messe_hamburg")
    assert (again["accepted"], again["repeated"]) == (0, 2)
    assert "proposal" not in again


def test_a_folder_of_nasty_files_loses_nothing_and_says_of_each_bad_row_where_it_stands(system, tmp_path):
    clean = tmp_path / "clean.csv"
    clean.write_text(nasty_files.clean())
    system.json("import", str(clean), "--source", "nasty", "--accept", "--wait")
    expected = nasty_files.build(tmp_path / "nasty")

    done = system.cli("import", str(tmp_path / "nasty"), "--source", "nasty", "--wait", "--json", check=False)

    assert done.returncode == 1, "files that cannot be read end with exit 1, and the others go in"
    found = json.loads(done.stdout)
    assert found["difference"] == 0
    assert found["settled"] + found["quarantined"] == found["accepted"]
    read = {one["file"].rpartition("/")[2]: one for one in found["files"]}
    assert {name: one["accepted"] for name, one in read.items()} == {
        name: one.accepted for name, one in expected.items() if not one.unreadable
    }
    assert {name: tuple((row["line"], row["code"]) for row in one["rejected_rows"]) for name, one in read.items()} == {
        name: one.rejected for name, one in expected.items() if not one.unreadable
    }
    refused = {one["file"].rpartition("/")[2]: one["reason"] for one in found["unreadable"]}
    assert set(refused) == {name for name, one in expected.items() if one.unreadable}
    for name, reason in refused.items():
        assert expected[name].unreadable in reason, name
    balance = system.json("balance")["sources"]["nasty"]
    assert (balance["difference"], balance["pending"], balance["in_flight"]) == (0, 0, 0)

    waiting = set()
    for row in system.json("quarantine", "list", "--source", "nasty", "--limit", "500")["rows"]:
        shown = system.json("quarantine", "show", row["quarantine_id"])
        waiting.add((shown["file"], shown["line"], shown["code"]))
    assert waiting == {
        (name, line, code) for name, one in expected.items() for line, code in (*one.rejected, *one.parked)
    }


def test_every_good_row_of_a_nasty_file_is_read_as_if_it_were_clean(system, tmp_path):
    """After the test above: by each file's first lead, and by the address that every lead has of its own."""
    expected = nasty_files.build(tmp_path / "nasty")
    leads = {lead["email"]: lead for lead in system.lines("leads", "export", "--source", "nasty") if lead["email"]}
    for name, one in expected.items():
        stem = name.partition(".")[0]
        if one.unreadable:
            assert f"{stem}.0@example.com" not in leads, name
            continue
        first = (
            leads.get(f"{stem}.0@example.com")
            or leads.get(f"{stem}.1@example.com")
            or leads.get(f"{stem}.a.0@example.com")
        )
        assert first, f"{name}: no lead of it arrived"
        for field, value in one.people.items():
            assert first[field] == value, f"{name}: {field}"
