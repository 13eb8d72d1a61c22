"""Keys of programs: what each opens, for whom, from where, until when, and how soon it opens nothing any more."""

from __future__ import annotations

import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests

from pipeline.errors import NotFoundError, RefusedError, UsageError
from pipeline.health.access.checks import check_access
from pipeline.service_keys import known_keys
from pipeline.service_keys.keys import create_key, list_keys, revoke_key
from pipeline.service_keys.known_keys import REFRESH_SECONDS, KnownKeys
from pipeline.settings.loading import settings
from pipeline.store.engine import count_statements, transaction
from pipeline.store.webhooks import endpoints
from tests.support.command_line import answer, capture, problem, run
from tests.support.granting import OWNER
from tests.support.intake_server import running_receiver
from tests.support.services import forget_caches
from tests.support.watching import wait_until

pytestmark = pytest.mark.usefixtures("database")
LEAD = {"email": "ada.sample@example.org"}


@pytest.fixture
def two_brands(tmp_path, monkeypatch):
    path = tmp_path / "afluente.yaml"
    path.write_text("brands: {casa: {}, ocio: {}}\nsources: {shop: {connector: api}}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(path))
    forget_caches()


def make(**rights) -> str:
    return create_key(settings(), "website", by=OWNER, **rights).key


def status_of(receiver, key: str, path: str = "/v1/leads?brand=casa") -> tuple[int, str | None]:
    """Of a lead that is posted with this key, and the word of what refused it."""
    reply = receiver.post(path, json=LEAD, headers={"Authorization": f"Bearer {key}"})
    return reply.status_code, reply.json().get("error")


@pytest.fixture
def usual_receiver(two_brands):
    with running_receiver() as running:
        yield running


@pytest.fixture
def receiver(two_brands, monkeypatch):
    """It looks for new keys more often than it does elsewhere: most tests only want theirs to be known."""
    monkeypatch.setattr(known_keys, "REFRESH_SECONDS", 0.1)
    with running_receiver() as running:
        yield running


def opens(receiver, key: str) -> None:
    """Wait until the receiver knows the key."""
    assert wait_until(lambda: status_of(receiver, key)[1] != "unknown_key", seconds=20)


def test_a_key_is_shown_once_and_kept_as_a_digest(two_brands):
    made = create_key(settings(), "website", by=OWNER, role="ingest")
    assert re.fullmatch(r"afl_key_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", made.key)
    assert made.key not in repr(made)
    (stored,) = list_keys()
    assert stored.key_id == made.key_id
    with transaction() as connection:
        (row,) = connection.exec_driver_sql("SELECT row_to_json(k)::text FROM service_keys k").scalars()
    assert made.key.split("_", 3)[3] not in row


@pytest.mark.parametrize(
    ("rights", "told"),
    [
        ({}, "say what the key may do"),
        ({"role": "owner"}, "role 'owner' is not known"),
        ({"scopes": ["leads:pots"]}, "scope 'leads:pots' is not known"),
        ({"role": "ingest", "brands": ["cassa"]}, "brand 'cassa' is not known"),
        ({"role": "ingest", "sources": ["shopp"]}, "source 'shopp' is not known"),
        ({"role": "ingest", "networks": ["203.0.113.7/24"]}, "network 203.0.113.7/24 names a host and a length"),
        ({"role": "ingest", "expires_at": datetime.now(UTC)}, "expires is in the past"),
    ],
)
def test_a_key_that_could_open_nothing_is_not_made(two_brands, rights, told):
    with pytest.raises(UsageError, match=re.escape(told)):
        create_key(settings(), "website", by=OWNER, **rights)
    assert list_keys() == []


def test_a_key_opens_what_it_may_and_nothing_else(receiver):
    key = make(scopes=["leads:post"], brands=["casa"], sources=["shop"])
    opens(receiver, key)
    assert status_of(receiver, key, "/v1/leads?brand=casa&source=shop") == (202, None)
    assert status_of(receiver, key, "/v1/leads?brand=casa") == (403, "wrong_source")
    assert status_of(receiver, key, "/v1/leads?brand=ocio&source=shop") == (403, "wrong_brand")
    hook = {"event": "lead.settled", "target_url": "https://hooks.example.org/x"}
    bearer = {"Authorization": f"Bearer {key}"}
    assert receiver.post("/v1/hooks", json=hook, headers=bearer).json()["error"] == "wrong_role"
    (casa,) = capture(LEAD, brand="casa")
    assert receiver.get_lead(str(casa), key=key).status_code == 403


def test_a_key_of_one_brand_or_source_finds_nothing_of_another(receiver):
    of_casa = make(scopes=["leads:status", "leads:post"], brands=["casa"])
    of_shop = make(scopes=["leads:status"], sources=["shop"])
    opens(receiver, of_casa)
    opens(receiver, of_shop)
    (casa,), (ocio,) = capture(LEAD, brand="casa"), capture(LEAD, brand="ocio")
    (shop,) = capture(LEAD, brand="ocio", source="shop")
    seen = {
        key: [receiver.get_lead(str(event), key=key).status_code for event in (casa, ocio, shop)]
        for key in (of_casa, of_shop)
    }
    assert seen == {of_casa: [200, 404, 404], of_shop: [404, 404, 200]}


def test_a_key_is_taken_from_its_networks_alone(receiver):
    here, elsewhere = make(role="ingest", networks=["127.0.0.0/8"]), make(role="ingest", networks=["203.0.113.0/24"])
    opens(receiver, here)
    opens(receiver, elsewhere)
    assert status_of(receiver, here) == (202, None)
    assert status_of(receiver, elsewhere) == (403, "address")


def test_a_key_ends_at_its_time_also_between_two_looks_at_the_database(two_brands):
    key = make(role="ingest", expires_at=datetime.now(UTC) + timedelta(seconds=1.5))
    known = KnownKeys(settings())
    known.refresh()
    assert known.find(key) is not None
    assert wait_until(lambda: known.find(key) is None, seconds=10)


def test_one_character_more_less_or_other_is_another_key(two_brands):
    key = make(role="ingest")
    known = KnownKeys(settings())
    known.refresh()
    assert known.find(key) is not None
    for other in (key + "a", key[:-1], key[:-1] + ("a" if key[-1] != "a" else "b"), key.upper(), key.replace("_", "-")):
        assert known.find(other) is None


def test_no_request_asks_the_database_for_keys(two_brands):
    key = make(role="ingest")
    known = KnownKeys(settings())
    known.refresh()
    with count_statements() as counted:
        for _ in range(100):
            assert known.find(key)
            assert known.find("afl_key_aaaaaaaa_x") is None
    assert counted.count == 0


def test_the_day_of_the_last_use_is_kept_and_written_once(two_brands):
    key = make(role="ingest")
    known = KnownKeys(settings())
    known.refresh()
    assert list_keys()[0].last_used_on is None
    known.find(key)
    known.refresh()
    assert list_keys()[0].last_used_on is not None
    known.find(key)
    with count_statements() as counted:
        known.refresh()
    assert not [statement for statement in counted.statements if statement.startswith("UPDATE")]


def test_a_revoked_key_opens_nothing_seconds_later_while_requests_come(usual_receiver):
    revoked, other = make(role="ingest"), make(role="ingest")
    opens(usual_receiver, revoked)
    opens(usual_receiver, other)
    bearer = {"Authorization": f"Bearer {revoked}"}
    answers: list[tuple[float, int]] = []
    stopping = threading.Event()

    def send() -> None:
        with requests.Session() as http:
            while not stopping.is_set():
                reply = http.post(
                    f"{usual_receiver.address}/v1/leads?brand=casa", json=LEAD, headers=bearer, timeout=20
                )
                answers.append((time.monotonic(), reply.status_code))

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: len(answers) > 20, seconds=20)
    key_id = next(key.key_id for key in list_keys() if key.key_id in revoked)
    revoke_key(key_id)
    ended = time.monotonic()
    assert wait_until(lambda: answers[-1][1] == 401, seconds=20)
    time.sleep(0.3)
    stopping.set()
    for thread in threads:
        thread.join(20)
    late = [code for at, code in answers if code == 202 and at > ended + REFRESH_SECONDS + 2]
    assert late == []
    assert {code for _, code in answers} == {202, 401}
    assert status_of(usual_receiver, other) == (202, None)


def test_a_key_is_revoked_once(two_brands):
    made = create_key(settings(), "website", by=OWNER, role="ingest")
    revoke_key(made.key_id)
    with pytest.raises(RefusedError, match="was revoked at"):
        revoke_key(made.key_id)
    with pytest.raises(NotFoundError, match="keys list"):
        revoke_key("nothing1")


def test_a_subscription_ends_with_its_key_while_the_receiver_runs(receiver):
    key = make(role="operator", brands=["casa"])
    bearer = {"Authorization": f"Bearer {key}"}
    opens(receiver, key)
    hook = {"event": "lead.settled", "target_url": "https://192.0.2.7/x"}
    with transaction() as connection:  # as POST /v1/hooks stores it; its address cannot be asked for here
        endpoints.add_hook(
            connection, "hook_1", event=hook["event"], brands=["casa"], key_name="website", sealed=b"sealed"
        )
    assert [row["id"] for row in receiver.get("/v1/hooks", headers=bearer).json()["hooks"]] == ["hook_1"]
    revoke_key(list_keys()[0].key_id)

    def is_off() -> bool:
        with transaction() as connection:
            return not connection.exec_driver_sql("SELECT is_enabled FROM webhook_endpoints").scalar_one()

    assert wait_until(is_off, seconds=20)


def test_the_commands_make_show_and_revoke_a_key_and_leave_an_entry_each(two_brands):
    made = answer("keys", "create", "website", "--scope", "leads:post", "--brand", "casa", "--expires", "90d")
    assert made["key"].startswith("afl_key_")
    (row,) = answer("keys", "list")
    assert (row["id"], row["state"], row["scopes"], row["brands"]) == (made["id"], "live", ["leads:post"], ["casa"])
    assert made["key"] not in run("keys", "list").stdout
    answer("keys", "revoke", made["id"], "--why", "a rehearsal")
    assert answer("keys", "list") == []
    assert [row["state"] for row in answer("keys", "list", "--all")] == ["revoked"]
    done = run("audit", "export", "--format", "jsonl", "--action", "key")
    assert [json.loads(line)["action"] for line in done.stdout.splitlines()] == ["key.create", "key.revoke"]
    assert made["key"].split("_", 3)[3] not in done.stdout


def test_doctor_names_a_key_that_ends_soon(two_brands):
    make(role="ingest", expires_at=datetime.now(UTC) + timedelta(days=60))
    assert all(check.ok for check in check_access(settings()) if check.name == "service keys")
    make(role="ingest", expires_at=datetime.now(UTC) + timedelta(days=6))
    (check,) = [check for check in check_access(settings()) if check.name == "service keys"]
    assert not check.ok
    assert "website" in check.detail


def test_a_command_may_what_its_key_may_and_the_attempt_is_an_entry(two_brands):
    viewer, of_casa = make(role="viewer"), make(role="operator", brands=["casa"])
    environment = {"AFLUENTE_TOKEN": viewer}
    assert run("balance", environment=environment).returncode == 0
    said = problem("people", "export", code=1, environment=environment)
    assert "people.read" in said
    assert "operator, privacy" in said
    assert run("people", "export", "--brand", "casa", environment={"AFLUENTE_TOKEN": of_casa}).returncode == 0
    assert "in the brand ocio" in problem(
        "people", "export", "--brand", "ocio", code=1, environment={"AFLUENTE_TOKEN": of_casa}
    )
    assert "in all brands" in problem("people", "export", code=1, environment={"AFLUENTE_TOKEN": of_casa})
    done = run("audit", "export", "--format", "jsonl", "--action", "people")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted((row["brand"], row["outcome"]) for row in rows) == [
        ("", "refused"),
        ("", "refused"),
        ("casa", "done"),
        ("ocio", "refused"),
    ]
    assert {(row["actor_kind"], row["auth"], row["actor_name"]) for row in rows} == {("key", "api_key", "website")}


@pytest.mark.parametrize("spoil", ["revoked", "expired", "unknown", "networks"])
def test_a_token_that_counts_no_more_opens_no_command(two_brands, spoil):
    key = make(role="admin", networks=["203.0.113.0/24"] if spoil == "networks" else [])
    with transaction() as connection:
        if spoil in ("revoked", "expired"):
            column = {"revoked": "revoked_at", "expired": "expires_at"}[spoil]
            connection.exec_driver_sql(f"UPDATE service_keys SET {column} = now()")
    token = key[:-3] + "abc" if spoil == "unknown" else key
    said = problem("balance", code=1, environment={"AFLUENTE_TOKEN": token})
    assert "AFLUENTE_TOKEN" in said
    assert key.split("_", 3)[3] not in said


def test_where_settings_want_a_key_no_command_runs_without_one(two_brands, tmp_path):
    key = make(role="viewer")
    (tmp_path / "afluente.yaml").write_text("brands: {casa: {}}\naccess: {command_line: token}\n")
    assert "access.command_line is token" in problem("balance", code=1)
    assert run("balance", environment={"AFLUENTE_TOKEN": key}).returncode == 0
    assert run("mapping", "schema", "source").returncode == 0  # nothing of the installation's
