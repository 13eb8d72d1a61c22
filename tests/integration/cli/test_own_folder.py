"""`afluente init`, what commands say of a company's own files, and the options that come before any command."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.support.command_line import AFLUENTE, ROOT, answer, problem, run, run_process

FORM = "mappings/sources/web_form.yaml"


@pytest.fixture
def company(tmp_path, monkeypatch):
    folder = tmp_path / "leads"
    done = run("init", str(folder))
    assert done.returncode == 0, done.stderr
    assert f"Next: cd {folder} && afluente up" in done.stdout
    monkeypatch.setenv("AFLUENTE_HOME", str(folder))
    return folder


def test_init_twice_is_refused_with_the_names_of_what_is_there(company):
    said = problem("init", str(company), code=2)
    assert "afluente.yaml, .gitignore, README.md, connectors, mappings, samples" in said


def test_init_for_programs_names_the_files(tmp_path):
    made = answer("init", str(tmp_path / "leads"))
    assert "afluente.yaml" in made["files"]
    assert made["folder"] == str(tmp_path / "leads")


@pytest.mark.long
def test_a_file_that_stands_in_both_is_said_to_count(company):
    for row in answer("source", "list"):
        assert row["overridden"] == []
    assert answer("mapping", "check")["overridden"] == []
    shutil.copy(ROOT / FORM, company / FORM)
    shutil.copy(ROOT / "samples/web_form/typical.json", company / "samples")
    sentence = f"{FORM}: the one in {company} counts, in place of the shipped one"
    assert sentence in run("source", "list").stdout
    assert sentence in run("mapping", "check").stdout
    assert {row["source"]: row["overridden"] for row in answer("source", "list")}["web_form"] == [FORM]
    assert answer("mapping", "check")["overridden"] == [FORM]


def test_the_doctor_names_them(company):
    checks = {check["name"]: check["detail"] for check in json.loads(run("doctor", "--json").stdout)["checks"]}
    assert checks["own folder"] == f"{company}; no file in it takes the place of a shipped one"
    shutil.copy(ROOT / FORM, company / FORM)
    shown = json.loads(run("doctor", "--json").stdout)
    checks = {check["name"]: check["detail"] for check in shown["checks"]}
    assert checks["own folder"].endswith(f"these count in place of the shipped ones: {FORM}")
    assert shown["overridden"] == [FORM]
    assert FORM in run("doctor").stdout


@pytest.mark.long
def test_a_broken_connector_of_the_companys_is_one_finding_of_the_doctors_and_stops_no_other_source(company):
    file = company / "connectors/sources/acme.py"
    file.write_text("CONNECTOR = Conector()\n")
    listed = run_process("source", "list")  # a process of its own: this one has read the sources already
    assert (listed.returncode, len(listed.stderr.splitlines())) == (0, 1)
    assert f"acme is left out: {file}, line 1: NameError" in listed.stderr
    assert "web_form" in listed.stdout
    checked = run_process("source", "check", "acme")
    assert (checked.returncode, "NameError" in checked.stdout) == (1, True)
    refused = run_process("source", "check", "acme", "--accept")
    assert (refused.returncode, f"{file}, line 1" in refused.stderr) == (2, True)
    checks = json.loads(run_process("doctor", "--json").stdout)["checks"]
    failed = {check["name"]: check for check in checks if not check["ok"]}
    assert str(file) in failed["source acme"]["detail"]


@pytest.mark.long
def test_a_mapping_of_the_companys_is_the_one_that_is_checked(company):
    text = (ROOT / FORM).read_text()
    (company / FORM).write_text(text.replace("lead:", "laed:"))
    checked = json.loads(run_process("mapping", "check", "--json").stdout)
    assert "laed" in json.dumps(checked["mappings"][FORM])


@pytest.mark.long
def test_a_destination_that_names_what_no_source_says_is_told_with_the_nearest_name(company):
    (company / FORM).write_text((ROOT / FORM).read_text() + "custom: {shoe_size: fields.shoe_size}\n")
    fields = "{A: custom.shoe_sise, B: custom.shoe_size, C: consent.marketing.emial.at, D: consent.loyalty.any}"
    path = company / "mappings/destinations/named.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"destination: named\nversion: 1\nfields: {fields}\n")
    checked = json.loads(run_process("mapping", "check", "--json").stdout)["mappings"]
    custom, consent = sorted(checked["mappings/destinations/named.yaml"])
    assert "fields.A.from: 'custom.shoe_sise' is not known (did you mean custom.shoe_size?)" in custom
    assert "name it under `custom` in the mapping of a source: {shoe_sise: a.path}" in custom
    assert "fields.C.from: 'emial' is no channel that a source asks for (did you mean email?)" in consent


@pytest.mark.long
def test_a_wrong_file_of_rules_is_one_line_among_those_of_all_others(company):
    (company / "mappings/validation.yaml").write_text("rules: [[[")
    done = run_process("mapping", "check", "--json")
    problems = json.loads(done.stdout)["mappings"]
    assert done.returncode == 1
    assert problems["mappings/identity.yaml"] == []
    assert "mappings/validation.yaml, line" in problems["mappings/validation.yaml"][0]


def test_a_new_source_takes_the_place_of_no_shipped_one(company):
    said = problem("source", "new", "web_form", code=2)
    assert "connectors/sources/web_form.py exists already" in said
    assert [path.name for path in (company / "connectors/sources").iterdir()] == [".gitkeep"]


def test_the_version_is_that_of_the_package():
    assert run("--version").stdout.split()[:2] == ["afluente", importlib.metadata.version("afluente")]


@pytest.mark.long
@pytest.mark.parametrize("rich", [True, False], ids=["with rich", "without rich"])
def test_the_shell_completes_commands_once_completion_is_installed(tmp_path, rich):
    hidden = "" if rich else "import sys; sys.modules['rich'] = None; "
    program = f"{hidden}import sys; sys.argv[0] = 'afluente'; from pipeline.cli import main; main()"
    environment = {**os.environ, "HOME": str(tmp_path), "TYPER_USE_RICH": str(int(rich))}
    environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"  # the shell that runs the tests is any

    def afluente(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=ROOT, env=environment | variables, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    installed = afluente("--install-completion", "bash")
    assert installed.returncode == 0, installed.stderr
    assert "bash completion installed" in installed.stdout
    assert ".bash_completions/afluente.sh" in (tmp_path / ".bashrc").read_text()
    completed = afluente(_AFLUENTE_COMPLETE="complete_bash", COMP_WORDS="afluente im", COMP_CWORD="1")
    assert completed.stdout.split() == ["import"], completed.stderr


def test_the_program_itself_has_the_options():
    shown = subprocess.run([AFLUENTE, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--version" in shown
    assert "--install-completion" in shown


def test_a_sandbox_that_does_not_run_is_not_asked_for_at_its_usual_port(company):
    checks = {check["name"]: check["detail"] for check in json.loads(run("doctor", "--json").stdout)["checks"]}
    assert checks["destination sandbox"] == "the sandbox does not run here"
