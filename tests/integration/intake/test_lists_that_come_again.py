"""A list with ids that is exported again and again: one person each, one contact each, whatever else moved."""

from __future__ import annotations

import pytest

from tests.support.command_line import answer, run, work
from tests.support.company_sources import company_sources
from tests.support.identity_rows import rows

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A company's folder, into which proposals are written."""
    (tmp_path / "home").mkdir()
    for _ in company_sources(tmp_path / "home", monkeypatch):
        yield tmp_path


def take(folder, name, text, source):
    (folder / name).write_text(text)
    done = run("import", str(folder / name), "--source", source, "--accept")
    assert done.returncode == 0, done.stderr + done.stdout
    work()


def test_a_daily_export_with_a_score_that_moves_is_no_new_contact(folder):
    wanted = []
    for day, score in ((1, 11), (2, 12), (3, 13)):
        head = "Contact ID,First Name,Last Name,Email,Score,Row\n"
        text = f"D-1,Lea,Rast,lea@rast.example,{score},{day}\nD-2,Kai,Mohn,kai@mohn.example,{score},{day + 1}\n"
        take(folder, f"export_{day}.csv", head + text, "zz_daily")
        wanted.append(rows("SELECT person_id, wanted_version FROM deliveries ORDER BY 1"))

    assert rows("SELECT touches FROM people") == [(1,), (1,)]
    assert wanted[0] == wanted[1] == wanted[2], "no CRM is called for it"
    figures = answer("balance")["all"]
    assert (figures["accepted"], figures["revised"], figures["difference"]) == (6, 4, 0)


def test_a_list_that_comes_again_with_new_addresses_keeps_the_earlier_ones(folder):
    for number in (1, 2):
        text = f"Contact ID,First Name,Last Name,Email\nD-1,Lea,Rast,lea@rast{number}.example\n"
        take(folder, f"list_{number}.csv", text, "zz_list")

    assert rows("SELECT touches FROM people") == [(1,)]
    (person,) = rows("SELECT person_id FROM people")
    story = answer("explain", str(person[0]))
    values = {field["field"]: field["value"] for field in story["fields"]}
    assert values["email"] == "lea@rast2.example"
    assert "lea@rast1.example" in str(values)


def test_two_events_of_one_person_are_two_contacts(folder):
    for event in ("Spring demo", "Autumn demo"):
        text = f"Contact ID,First Name,Last Name,Email,Event name\nD-1,Lea,Rast,lea@rast.example,{event}\n"
        take(folder, f"{event}.csv", text, "zz_events")

    assert rows("SELECT touches FROM people") == [(2,)]
