"""A command does not pay for the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import typer.main

from pipeline import cli
from tests.support.command_line import run


@pytest.fixture
def unbuilt() -> None:
    """As in a new process: earlier tests ran commands in this one."""
    cli._known_commands.cache_clear()


@pytest.fixture
def read(unbuilt: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Modules of the commands whose arguments and options are read."""
    modules: list[str] = []
    as_it_is = typer.main.get_params_from_function

    def note(function: Callable) -> object:
        modules.append(function.__module__)
        return as_it_is(function)

    monkeypatch.setattr(typer.main, "get_params_from_function", note)
    return modules


@pytest.mark.parametrize("words", [("people", "review", "list"), ("quarantine", "list"), ("up",)])
def test_only_the_group_that_was_typed_is_built(words: tuple[str, ...], read: list[str]):
    assert run(*words, "--help").returncode == 0
    commands = {name for name in read if name.startswith("pipeline.cli.commands.")}
    assert commands
    assert {name.split(".")[3] for name in commands} == {words[0]}


def test_what_was_built_serves_the_next_command_of_the_process(read: list[str]):
    run("people", "review", "list", "--help")
    read.clear()
    assert "--json" in run("people", "review", "list", "--help").stdout
    assert not [name for name in read if name.startswith("pipeline.cli.commands.")]


def test_help_still_knows_all_of_them(read: list[str]):
    shown = run("--help").stdout
    assert {"people", "quarantine", "up", "database"} <= set(shown.split())
    assert len({name.split(".")[3] for name in read if name.startswith("pipeline.cli.commands.")}) > 20


def test_a_misspelt_command_is_answered_with_the_one_that_was_meant():
    assert "Did you mean 'people'" in run("peple").stderr
