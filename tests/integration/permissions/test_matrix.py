"""Every command and every route, with a key of every role: let in or refused as the one table says, and none without a
place in the table."""

from __future__ import annotations

import pytest

from pipeline.permissions.doors import COMMANDS, LOCAL, ROUTES
from pipeline.permissions.roles import KEY_ROLES, permissions_of
from pipeline.service_keys.keys import create_key
from pipeline.settings.loading import settings
from tests.support.any_arguments import SOME_ID, arguments_of, path_of
from tests.support.command_line import run
from tests.support.granting import OWNER
from tests.support.intake_server import running_receiver
from tests.support.watching import wait_until

ASKED = sorted(path for path, door in COMMANDS.items() if door.does != LOCAL)


@pytest.fixture(scope="module")
def keys(module_database) -> dict[str, str]:
    """A key of each role."""
    return {role: create_key(settings(), role, by=OWNER, role=role).key for role in KEY_ROLES}


@pytest.mark.short(4)
@pytest.mark.parametrize("path", ASKED)
def test_a_command_lets_in_the_roles_of_its_permission_and_no_others(path, keys):
    """Past the check it finds out that what is named here is not there."""
    permission, opening = COMMANDS[path].permission, set(COMMANDS[path].permissions)
    arguments = [*path.split(), *arguments_of(path)]
    let_in = set()
    for role in KEY_ROLES:
        done = run(*arguments, environment={"AFLUENTE_TOKEN": keys[role]}, stdin="\n")
        if "this needs the permission" not in done.stderr:
            let_in.add(role)
        else:
            assert done.returncode == 1
            assert permission in done.stderr
            assert done.stdout == ""
    assert let_in == {role for role in KEY_ROLES if opening & permissions_of(role)}


@pytest.fixture(scope="module")
def receiver(keys):
    with running_receiver() as running:
        assert wait_until(lambda: _ask(running, "GET", f"/v1/leads/{SOME_ID}", keys["viewer"]) != 401, seconds=20)
        yield running


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_a_route_lets_in_the_roles_of_its_permission_and_no_others(route, keys, receiver):
    method, path = route.split()
    address = path_of(path)
    opening = set(ROUTES[route].permissions)
    answers = {role: _ask(receiver, method, address, key) for role, key in {**keys, "nobody": None}.items()}
    if not opening:
        assert {code for code in answers.values() if code == 403} == set()
        return
    assert answers.pop("nobody") == 401
    allowed = {role for role in KEY_ROLES if opening & permissions_of(role)}
    assert {role for role, code in answers.items() if code != 403} == allowed
    assert 401 not in answers.values()


def _ask(receiver, method: str, path: str, key: str | None) -> int:
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    reply = receiver.http.request(method, receiver.address + path, data="{}", headers=headers, timeout=20)
    return reply.status_code
