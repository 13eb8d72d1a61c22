"""What pip installs: everything that runs is in it, nothing stands in the way of others, nothing is written into it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from tests.support.foreign import put_foreign_modules
from tests.support.paths import ROOT
from tests.support.wheels import Installation, build_wheel, copy_sources

pytestmark = pytest.mark.long  # installs the wheel

READY_SECONDS = 120
FORMER_BUILD = "build/lib/pipeline/former_module.py"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built where an earlier build left a module that is no more."""
    source = copy_sources(tmp_path_factory.mktemp("source"))
    left = source / FORMER_BUILD
    left.parent.mkdir(parents=True)
    left.write_text("")
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installation(wheel, tmp_path_factory) -> Installation:
    return Installation(wheel, tmp_path_factory.mktemp("environment"))


def below(root: Path, *patterns: str) -> set[str]:
    return {
        str(path.relative_to(root))
        for pattern in patterns
        for path in root.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file_that_runs(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    code = below(ROOT, "pipeline/**/*.py", "pipeline/**/*.lua", "pipeline/**/*.js", "connectors/**/*.py")
    shipped = below(ROOT, "mappings/**/*", "samples/**/*", "celeryconfig.py")
    assert code - names == set()
    assert {f"pipeline/_shipped/{name}" for name in shipped} - names == set()
    assert {
        "pipeline/delivery/governor.lua",
        "pipeline/intake/browser/form.js",
        "pipeline/store/migrations/env.py",
    } <= names


def test_the_wheel_brings_no_name_into_the_environment_but_two_packages(wheel):
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pipeline", "connectors"}


def test_the_wheel_holds_nothing_that_an_earlier_build_left(wheel):
    assert Path(FORMER_BUILD).name not in {Path(name).name for name in zipfile.ZipFile(wheel).namelist()}


def test_an_installed_package_finds_its_mappings_samples_and_sources(installation, tmp_path):
    checked = installation.run("mapping", "check", "--json", folder=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["ok"]
    checked = installation.run("source", "check", "--json", folder=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert {"web_form", "datablist"} <= json.loads(checked.stdout)["sources"].keys()


def test_without_a_folder_of_ones_own_nothing_is_written_and_the_way_out_is_named(installation, tmp_path, database):
    runs = {name: text for name, text in os.environ.items() if name.startswith("AFLUENTE_")}
    before = installation.files()
    (tmp_path / "fair.csv").write_text("Email,First Name\nada@example.org,Ada\n", encoding="utf-8")
    for arguments in (
        ("source", "new", "acme_forms"),
        ("source", "check", "web_form", "--accept"),
        ("import", "fair.csv", "--source", "fair", "--accept"),
    ):
        done = installation.run(*arguments, folder=tmp_path, environment=runs)
        assert done.returncode == 2, done.stderr
        assert "afluente init DIR" in done.stderr
    assert installation.files() == before
    assert [path.name for path in tmp_path.iterdir()] == ["fair.csv"]


def test_what_is_new_is_written_into_the_companys_folder_and_found_there(installation, tmp_path):
    before = installation.files()
    assert installation.run("init", "leads", folder=tmp_path).returncode == 0
    company = tmp_path / "leads"
    made = installation.run("source", "new", "acme_forms", folder=company)
    assert made.returncode == 0, made.stderr
    accepted = installation.run("source", "check", "web_form", "--accept", folder=company)
    assert accepted.returncode == 0, accepted.stderr
    assert below(company, "connectors/*/*.py", "mappings/*/*.yaml", "samples/*/*") == {
        "connectors/sources/acme_forms.py",
        "mappings/sources/acme_forms.yaml",
        "samples/acme_forms/typical.json",
        "samples/acme_forms/typical.expected.json",
        "samples/web_form/typical.expected.json",
    }
    listed = {
        row["source"]: row for row in json.loads(installation.run("source", "list", "--json", folder=company).stdout)
    }
    assert listed["acme_forms"]["overridden"] == []
    assert listed["web_form"]["overridden"] == ["samples/web_form/typical.expected.json"]
    assert installation.files() == before


def test_init_then_up_takes_a_lead_to_its_end_beside_the_modules_of_another_project(installation, tmp_path):
    before = installation.files()
    assert installation.run("init", "leads", folder=tmp_path).returncode == 0
    company = tmp_path / "leads"
    put_foreign_modules(company)
    (company / "fair.csv").write_text("Email,First Name\nada@example.org,Ada\n", encoding="utf-8")
    up = subprocess.Popen(
        [str(installation.programs / "afluente"), "up", "--port", str(free_port())],
        cwd=company,
        env=installation.environment(),
        stdout=(company / "up.out").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        wait_ready(up, company / "up.out")
        for arguments in (
            ("import", "fair.csv", "--source", "fair", "--accept", "--wait"),
            ("source", "send", "web_form"),
            ("doctor",),
        ):
            done = installation.run(*arguments, folder=company)
            assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        assert json.loads(installation.run("balance", "--json", folder=company).stdout)["all"]["accepted"] == 2
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0
    assert (company / "mappings/sources/fair.yaml").is_file()
    assert installation.files() == before


def wait_ready(up: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not any(line.startswith("ready ") for line in output.read_text().splitlines()):
        assert up.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
