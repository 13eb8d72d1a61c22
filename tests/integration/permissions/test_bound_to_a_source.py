"""Every way in, with a key that may everything and is bound to one source: it meets what came in by that source, or is
refused."""

from __future__ import annotations

import pytest

from pipeline.permissions.doors import COMMANDS, LOCAL, ROUTES
from pipeline.permissions.roles import SCOPES
from pipeline.service_keys.keys import create_key
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.webhooks import endpoints
from pipeline.webhooks.hook_keys import judge_hooks
from tests.support.any_arguments import SOME_ID, arguments_of
from tests.support.command_line import capture, run, work
from tests.support.granting import OWNER
from tests.support.intake_server import running_receiver
from tests.support.watching import wait_until

KEYED = sorted(route for route, door in ROUTES.items() if door.permission is not None)
BOUNDED = ["GET /v1/leads/{event_id}", "POST /v1/consents", "POST /v1/leads"]
ASKED = sorted(path for path, door in COMMANDS.items() if door.does != LOCAL)


@pytest.fixture(scope="module")
def key(module_database) -> str:
    return create_key(settings(), "shop", by=OWNER, scopes=SCOPES, sources=["api"]).key


@pytest.fixture(scope="module")
def receiver(key):
    with running_receiver() as running:
        assert wait_until(lambda: ask(running, key, "GET", f"/v1/leads/{SOME_ID}").status_code != 401, seconds=20)
        yield running


def ask(receiver, key: str, method: str, path: str):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    return receiver.http.request(method, receiver.address + path, data="{}", headers=headers, timeout=20)


def test_the_table_says_which_routes_are_bounded_by_source():
    assert sorted(route for route, door in ROUTES.items() if door.is_bounded_by_source) == BOUNDED


@pytest.mark.parametrize("route", KEYED)
def test_a_route_that_is_not_bounded_by_source_refuses_a_key_that_is(route, key, receiver):
    method, path = route.split()
    address = path.format(event_id=SOME_ID, person_id=SOME_ID, request_id=SOME_ID, hook_id="none", event="lead.settled")
    reply = ask(receiver, key, method, address)
    if ROUTES[route].is_bounded_by_source:
        assert reply.json().get("error") != "bound_to_sources"
    else:
        assert (reply.status_code, reply.json()["error"]) == (403, "bound_to_sources")


def test_nobody_is_read_by_a_key_of_another_source(key, receiver):
    (event,) = capture({"email": "ada.needle@example.org", "full_name": "Ada Needle"}, source="web_form")
    work()
    with transaction() as connection:
        person = connection.exec_driver_sql("SELECT person_id FROM events WHERE event_id = %s", (event,)).scalar_one()
    assert ask(receiver, key, "GET", f"/v1/leads/{event}").status_code == 404
    read = ask(receiver, key, "GET", f"/v1/people/{person}")
    assert read.status_code == 403
    assert "Needle" not in read.text


def test_a_subscription_of_a_key_that_is_bound_to_sources_is_stopped(key):
    create_key(settings(), "all of it", by=OWNER, scopes=["hooks:subscribe"])
    with transaction() as connection:  # as they were stored before
        for name, owner in (("hook_bound", "shop"), ("hook_free", "all of it")):
            endpoints.add_hook(connection, name, event="lead.settled", brands=None, key_name=owner, sealed=b"sealed")
    judge_hooks(settings())
    with transaction() as connection:
        stored = {hook.name: hook.is_on for hook in endpoints.read_endpoints(connection, is_hook=True)}
    assert stored == {"hook_bound": False, "hook_free": True}


@pytest.mark.short(4)
@pytest.mark.parametrize("path", ASKED)
def test_a_command_refuses_a_key_of_one_source_that_names_another_or_none(path, key):
    """Required options name a source that there is not, others none."""
    done = run(*path.split(), *arguments_of(path), environment={"AFLUENTE_TOKEN": key}, stdin="\n")
    assert done.returncode == 1
    assert "for the sources api alone" in done.stderr


def test_a_command_answers_a_key_of_one_source_for_that_source(key):
    environment = {"AFLUENTE_TOKEN": key}
    assert run("leads", "export", "--source", "api", environment=environment).returncode == 0
    assert run("leads", "export", "--source", "web_form", environment=environment).returncode == 1
    assert run("privacy", "exposure", "--source", "api", environment=environment).returncode == 1
