"""Every command and every route stands in the table of pipeline/permissions/doors.py, with what it needs."""

from __future__ import annotations

import pytest

from pipeline.cli.guard import action_of
from pipeline.cli.reference import walk_commands
from pipeline.intake.receiver.http import create_app
from pipeline.permissions.doors import ACTS, CHANGES, COMMANDS, LOCAL, OPENS, READS, ROUTES, SHOWS, TAKES
from pipeline.permissions.roles import PERMISSIONS
from pipeline.settings.loading import load_settings


def test_every_command_has_a_place_in_the_table_and_nothing_else_has():
    assert {path for path, _ in walk_commands()} == set(COMMANDS)


def test_every_route_has_a_place_in_the_table_and_nothing_else_has(tmp_path):
    served = {
        f"{method} {route.path}"
        for route in create_app(load_settings({}, data=tmp_path)).routes
        for method in route.methods
        if method != "HEAD"
    }
    assert served == set(ROUTES)


@pytest.mark.parametrize("table", [COMMANDS, ROUTES], ids=["commands", "routes"])
def test_every_place_names_a_permission_that_there_is(table):
    for path, door in table.items():
        assert door.permission is None or door.permission in PERMISSIONS, path
        assert door.does in (READS, OPENS, SHOWS, CHANGES, ACTS, TAKES, LOCAL), path


def test_options_that_make_a_command_harmless_are_options_that_it_has():
    for path, command in walk_commands():
        door, options = COMMANDS[path], {parameter.name for parameter in command.params}
        assert options >= {*door.is_harmless_with, *([door.acts_with] if door.acts_with else [])}, path


def test_actions_are_a_noun_and_a_verb_and_no_two_commands_share_one():
    actions = [action_of(path) for path in COMMANDS if COMMANDS[path].does in (OPENS, ACTS)]
    assert all(action.count(".") == 1 for action in actions)
    assert len(set(actions)) == len(actions)
