"""The installed program, as a process of its own, says what it says when other tests call it in theirs."""

from __future__ import annotations

import pytest

from tests.support import command_line
from tests.support.command_line import capture, run, run_process, work

COMMANDS = [
    ("balance",),
    ("balance", "--json"),
    ("people", "export", "--format", "csv"),
    ("explain", "no-id"),
    ("people", "log", "--limit", "none"),
    ("quarantine", "--help"),
]


@pytest.mark.long
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_process_ends_with_the_same_code_and_the_same_texts(arguments):
    capture({"email": "ada@example.com", "first_name": "Zoë"}, {"message": "nobody"})
    work()
    process, here = run_process(*arguments), run(*arguments)
    assert (process.returncode, process.stdout, process.stderr) == (here.returncode, here.stdout, here.stderr)
    assert process.stdout + process.stderr != ""


@pytest.mark.parametrize("fails_with", [ZeroDivisionError, KeyError])
def test_a_bug_in_a_command_called_here_fails_its_test(monkeypatch, fails_with):
    def crash() -> None:
        raise fails_with("a bug")

    monkeypatch.setattr(command_line, "main", crash)
    with pytest.raises(fails_with):
        run("balance")


def test_a_command_that_would_replace_the_process_is_refused_here(tmp_path):
    with pytest.raises(RuntimeError, match="use run_process"):
        run("sandbox", "--state", str(tmp_path / "state"))
