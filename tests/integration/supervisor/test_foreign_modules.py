"""`afluente up` in a folder where another project lies: its modules are not taken for ours, and not run."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from pipeline.settings.loading import load_settings
from pipeline.supervisor.addresses import Addresses
from pipeline.supervisor.programs import environment_for, plan_programs
from tests.support.foreign import put_foreign_modules
from tests.support.paths import ROOT
from tests.support.system import System

WHERE = Addresses(receiver="http://127.0.0.1:1", flower="http://127.0.0.1:2", sandbox="http://127.0.0.1:3")


@pytest.fixture
def folder(tmp_path):
    put_foreign_modules(tmp_path)
    return tmp_path


def started_as(name: str, *arguments: str, folder) -> subprocess.CompletedProcess[str]:
    """A program as `up` starts it in `folder`, with other arguments than there."""
    settings = load_settings({**os.environ, "AFLUENTE_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT)})
    plan = next(plan for plan in plan_programs(settings, WHERE, workers=1) if plan.name == name)
    module = plan.command[: plan.command.index("-m") + 2]
    return subprocess.run(
        [*module, *arguments],
        cwd=folder,
        env=environment_for(settings, WHERE),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ["receiver", "sandbox"])
def test_a_program_starts_beside_them(folder, name):
    done = started_as(name, "--help", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_celery_takes_our_app_with_our_settings(folder):
    done = started_as("hot", "-A", "pipeline.app", "report", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "task_default_queue: 'ops'" in done.stdout
    assert "another project" not in done.stdout + done.stderr


@pytest.mark.long
def test_djangos_settings_of_another_project_are_not_loaded(folder):
    program = "from pipeline.app import app; app.loader.import_default_modules(); print('loaded')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "celeryconfig"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "loaded\n", done.stderr
    assert done.stderr == ""


def test_a_broker_that_another_projects_variables_name_is_not_taken_for_ours(tmp_path):
    program = "from pipeline.app import app; print(app.connection().hostname, app.connection_for_write().hostname)"
    foreign = {f"CELERY_{name}": "amqp://guest@other.example//" for name in ("BROKER_URL", "BROKER_WRITE_URL")}
    environment = {
        **os.environ,
        **foreign,
        "PYTHONPATH": str(ROOT),
        "AFLUENTE_BROKER_URL": "redis://ours.example:6379/0",
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["ours.example"] * 2, done.stderr


def test_options_of_another_projects_flower_are_not_taken_for_ours(tmp_path):
    settings = load_settings({"AFLUENTE_DATA": str(tmp_path), "FLOWER_URL_PREFIX": "other", "FLOWER_AUTH": "x"})
    assert not [name for name in environment_for(settings, WHERE) if name.startswith("FLOWER_")]


@pytest.mark.long
def test_up_runs_everything_in_such_a_folder(folder):
    with System(folder / "data", root=folder, environment={"PYTHONPATH": str(ROOT)}, workers=1) as system:
        system.cli("source", "send", "web_form")
        assert json.loads(system.cli("balance", "--json").stdout)["all"]["accepted"] == 1
