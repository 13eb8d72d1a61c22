"""Rules are read when workers start and hold until they end; with a wrong file nothing starts, and all say so."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.checkouts import make_checkout, run_in

pytestmark = pytest.mark.long  # checkouts of their own

IDENTITY, SURVIVORSHIP, NICKNAMES = "identity.yaml", "survivorship.yaml", "vocabularies/nicknames.yaml"
VALIDATION = "validation.yaml"
SLIPS = {
    IDENTITY: ("email: ", "emial: ", "mappings/identity.yaml: weights lacks or does not know"),
    SURVIVORSHIP: ("fields:", "feilds:", "mappings/survivorship.yaml: feilds:"),
    NICKNAMES: (
        "aaron: [ron, ronnie]",
        "aaron: ron",
        "mappings/vocabularies/nicknames.yaml: names.aaron: 'ron' is not a list",
    ),
    VALIDATION: ("rules:", "ruels:", "mappings/validation.yaml: "),
}

UP = "from pipeline.cli import main; main()"
# What a worker's node does: it starts, forks, and forks again when a process is recycled.
NODE = """
import os, pathlib
from pipeline.app import app

app.WorkController(hostname="hot@here", concurrency=1)
for name in ("identity.yaml", "survivorship.yaml", "vocabularies/nicknames.yaml"):
    (pathlib.Path("mappings") / name).write_text("wrong")
child = os.fork()
if not child:
    from pipeline.identity.matching.name_agreement import agreement, name_of
    from pipeline.identity.matching.rules import identity_rules
    from pipeline.stages.survivorship.rules import survivorship_rules
    identity_rules(), survivorship_rules()
    for short, full in (("Pepe Vega", "José Vega"), ("Maite Vega", "María Teresa Vega")):
        print(agreement(name_of(short), name_of(full)), flush=True)
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def checkout(tmp_path):
    return make_checkout(tmp_path / "checkout")


def slip(checkout, name):
    """Break one of the files. Gives what must be said of it."""
    right, wrong, message = SLIPS[name]
    file = checkout / "mappings" / name
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong, 1))
    return message


def python_in(checkout, *arguments):
    """Python as it runs in that checkout."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=30,  # one that starts all the same would stay
        check=False,
    )


@pytest.mark.parametrize("name", SLIPS)
def test_up_refuses_a_wrong_file_before_it_starts_anything(checkout, tmp_path, name):
    message = slip(checkout, name)
    done = python_in(checkout, "-c", UP, "up", "--data", str(tmp_path / "data"), "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"afluente: {message}")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", SLIPS)
def test_a_worker_refuses_a_wrong_file(checkout, redis_url, name):
    message = slip(checkout, name)
    done = python_in(checkout, "-m", "celery", "-A", "pipeline.app", "worker", "-n", "hot@%h", "-Q", "hot", "-c", "1")
    assert done.returncode == 1
    assert f"the worker does not start: {message}" in done.stderr.splitlines()[-1]


def test_a_process_forked_later_goes_by_the_rules_read_before(checkout, redis_url):
    done = python_in(checkout, "-c", NODE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["name_full", "name_full"]


@pytest.mark.usefixtures("database", "redis_url")
def test_doctor_and_status_name_every_wrong_file(checkout):
    messages = {name: slip(checkout, name) for name in SLIPS}
    checks = {check["name"]: check for check in json.loads(run_in(checkout, "doctor", "--json").stdout)["checks"]}
    problems = json.loads(run_in(checkout, "status", "--json").stdout)["problems"]
    for rules, name in (
        ("identity", IDENTITY),
        ("survivorship", SURVIVORSHIP),
        ("nicknames", NICKNAMES),
        ("validation", VALIDATION),
    ):
        check = checks[f"rules of {rules}"]
        assert not check["ok"]
        assert check["detail"].startswith(messages[name])
        assert "restart the workers" in check["remedy"]
        assert any(problem.startswith(f"mapping: {messages[name]}") for problem in problems)
