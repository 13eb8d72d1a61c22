"""`afluente import` into a source nobody has mapped: a mapping is proposed, shown, agreed to, and an ordinary one."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess

import pytest

from tests.support.checkouts import own_folder, run_at
from tests.support.command_line import AFLUENTE

TABLE = (
    "Vorname;Name;E-Mail-Adresse;Tel.;Mobil;Firma;Eingang am;Newsletter;utm_source;Region;Betreuer;???\n"
    "Zoë;Bär;Zoe.Baer@Example.org;;+49 171 3920001;Bär GmbH;25.03.2026;ja;google;Nord;rep@example.com;x\n"
    "Ada;Meier;ada@meier-privat.example;+49 171 3920002;;Works AG;03.04.2026;nein;bing;Süd;rep@example.com;y\n"
)
PRIVATE = re.compile("Zoë|Bär|baer|meier|39200|Works AG|25.03|google|bing|Nord|rep@", re.IGNORECASE)


@pytest.fixture
def company(tmp_path, database):
    return own_folder(tmp_path / "company")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "messe.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def written(company):
    return {
        str(path.relative_to(company))
        for pattern in ("mappings/sources/messe*", "connectors/sources/messe*", "samples/messe*/*")
        for path in company.glob(pattern)
    }


def columns(found):
    return {one["column"]: one["field"] for one in found["columns"]}


def test_without_a_yes_the_proposal_is_shown_with_the_command_that_takes_it_and_nothing_is_done(company, file):
    done = run_at(company, "import", str(file), "--source", "messe")
    assert done.returncode == 2
    assert re.search(r"E-Mail-Adresse +zoe.baer@example.org +email +title \(German\)", done.stdout)
    assert re.search(r"Newsletter +ja +\(undecided\) +consent is never guessed", done.stdout)
    assert f"afluente import {file} --source messe --accept" in done.stderr
    assert "known: activecampaign, api" in done.stderr, "a misspelt source would pass for a new one"
    assert written(company) == set()
    found = json.loads(run_at(company, "import", str(file), "--source", "messe", "--json").stdout)
    assert found["accepted"] is False
    assert columns(found) == {
        "Vorname": "first_name", "Name": "last_name", "E-Mail-Adresse": "email", "Tel.": "phone",
        "Mobil": "other_phones", "Firma": "company", "Eingang am": "occurred_at", "Newsletter": None,
        "utm_source": "utm_source",
        "Region": None, "Betreuer": None, "???": None,
    }  # fmt: skip
    assert json.loads(run_at(company, "balance", "--json").stdout)["all"]["accepted"] == 0


@pytest.mark.long
def test_an_accepted_proposal_is_an_ordinary_mapping_that_every_check_passes(company, file):
    done = run_at(company, "import", str(file), "--source", "messe", "--accept")
    assert done.returncode == 0, done.stderr
    assert "accepted  2" in done.stdout
    assert written(company) == {
        "mappings/sources/messe.yaml", "connectors/sources/messe.py", "samples/messe/typical.csv",
        "samples/messe/typical.expected.json",
    }  # fmt: skip
    for command in (("mapping", "check"), ("source", "check", "messe")):
        checked = run_at(company, *command)
        assert checked.returncode == 0, checked.stdout
    for name in written(company):
        assert not PRIVATE.search((company / name).read_text()), f"{name} holds somebody's data"
    mapping = (company / "mappings/sources/messe.yaml").read_text()
    assert 'email: {from: "E-Mail-Adresse"}  # title (German)' in mapping
    assert '- "Newsletter"  # consent is never guessed' in mapping
    leads = [json.loads(line) for line in run_at(company, "leads", "export", "--format", "jsonl").stdout.splitlines()]
    assert {lead["phone"] for lead in leads} >= {"+491713920002"}
    assert all(lead["custom"]["Region"] in ("Nord", "Süd") for lead in leads)
    assert not any(lead["consents"] for lead in leads)
    again = json.loads(run_at(company, "import", str(file), "--source", "messe", "--json").stdout)
    assert (again["accepted"], again["repeated"]) == (0, 2)


def test_a_dry_run_tries_the_proposal_and_writes_nothing(company, file):
    found = json.loads(run_at(company, "import", str(file), "--source", "messe", "--dry-run", "--json").stdout)
    assert (found["rows"], found["ready"]) == (2, 2)
    assert found["files"][0]["rows"][0]["fields"]["email"] == "zoe.baer@example.org"
    assert found["files"][0]["dates"] == {"Eingang am": "dmy"}
    assert columns(found["proposal"])["E-Mail-Adresse"] == "email"
    assert written(company) == set()


@pytest.mark.long
@pytest.mark.parametrize(("answered", "rows"), [("y\n", 2), ("n\n", 0)])
def test_on_a_terminal_a_person_is_asked(company, file, answered, rows):
    controller, terminal = pty.openpty()
    running = subprocess.Popen(
        [AFLUENTE, "import", str(file), "--source", "messe"],
        env={**os.environ, "AFLUENTE_HOME": str(company), "COLUMNS": "160"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    try:
        while b"import? [y/N]" not in shown and select.select([controller], [], [], 60)[0]:
            shown += os.read(controller, 4096)
        assert b"E-Mail-Adresse" in shown, "it asked before it had shown what it asks about"
        os.write(controller, answered.encode())
        while True:
            try:
                if not os.read(controller, 4096):
                    break
            except OSError:  # the terminal closed with the process
                break
        assert running.wait(60) == (0 if rows else 2)
    finally:
        running.kill()
        running.wait()
        os.close(controller)
    assert json.loads(run_at(company, "balance", "--json").stdout)["all"]["accepted"] == rows
    assert bool(written(company)) == bool(rows)


def test_a_table_in_which_nobody_can_be_told_apart_gets_no_proposal(company, tmp_path):
    path = tmp_path / "places.csv"
    path.write_text("City,Country\nLugo,ES\nVigo,ES\n")
    done = run_at(company, "import", str(path), "--source", "places", "--accept")
    assert done.returncode == 2
    assert "no column" in done.stderr
    assert "source new places" in done.stderr


def test_what_cannot_be_written_is_said_and_nothing_of_it_stays(company, file):
    (company / "samples" / "messe").write_text("a file where a folder must be")
    done = run_at(company, "import", str(file), "--source", "messe", "--accept")
    assert done.returncode != 0
    assert "cannot be written" in done.stderr
    assert "deploy them" in done.stderr
    assert written(company) == set()
    assert json.loads(run_at(company, "balance", "--json").stdout)["all"]["accepted"] == 0


def test_a_declared_source_without_a_mapping_gets_the_mapping_alone(company, file):
    run_at(company, "import", str(file), "--source", "messe", "--accept")
    (company / "mappings/sources/messe.yaml").unlink()
    done = run_at(company, "import", str(file), "--source", "messe", "--accept", "--json")
    assert json.loads(done.stdout)["proposal"]["files"] == ["mappings/sources/messe.yaml"]


@pytest.mark.long
def test_any_title_can_stand_in_a_mapping(company, tmp_path):
    path = tmp_path / "odd.csv"
    titles = [
        "Email",
        '"He said ""hi"""',
        "a: b",
        "# x",
        "- y",
        "[z]",
        "{q}",
        "Tel.",
        "a.b",
        "x[0]",
        "🙂",
        "No",
        "'",
        "é\u200b",
    ]
    path.write_text(",".join(titles) + "\n" + ",".join(["ada@example.com", *["v"] * (len(titles) - 1)]) + "\n")
    done = run_at(company, "import", str(path), "--source", "odd", "--accept")
    assert done.returncode == 0, done.stderr
    checked = run_at(company, "mapping", "check")
    assert checked.returncode == 0, checked.stdout


def test_of_several_files_every_title_is_proposed_for_and_becomes_an_alias_of_its_column(company, tmp_path):
    folder = tmp_path / "f2"
    folder.mkdir()
    (folder / "a.csv").write_text("Name,Email,Phone\nAda Sample,ada@example.com,+34 600 111 222\n")
    (folder / "b.csv").write_text(
        "Nombre,Email,Teléfono,Empresa,Color\nZoë Muñoz,zoe@example.org,+34 600 333 444,Casa S.L.,rojo\n"
    )
    (folder / "c.pdf").write_bytes(b"%PDF-1.7")
    done = run_at(company, "import", str(folder), "--source", "mixed", "--accept")
    assert "Nombre" in done.stdout, "the second file's columns were not shown"
    mapping = (company / "mappings/sources/mixed.yaml").read_text()
    assert '"Name": ["Nombre"]' in mapping
    assert '"Phone": ["Teléfono"]' in mapping
    assert "# region: ES" in mapping, "the titles are Spanish"
    assert "#   utm_source: {constant:" in mapping, "nothing says where the leads came from"
    leads = [json.loads(line) for line in run_at(company, "leads", "export", "--format", "jsonl").stdout.splitlines()]
    assert {lead["full_name"]: (lead["phone"], lead["company"]) for lead in leads} == {
        "Ada Sample": ("+34600111222", None),
        "Zoë Muñoz": ("+34600333444", "Casa S.L."),
    }
    assert "not read" not in done.stdout
    for command in (("mapping", "check"), ("source", "check", "mixed")):
        checked = run_at(company, *command)
        assert checked.returncode == 0, checked.stdout
