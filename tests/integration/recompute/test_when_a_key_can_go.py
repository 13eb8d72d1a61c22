"""No sealing key can go while anything needs it: a row, a message on its way, or what nobody could count."""

from __future__ import annotations

import pytest

from pipeline import flow
from pipeline.app import app
from pipeline.crypto.encryption import Cipher
from pipeline.health.doctor import run_checks
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.people import people
from pipeline.tasks import normalize, seal
from tests.support.command_line import answer, capture, run
from tests.support.services import SECRET_KEYS, forget_caches
from tests.support.store_rows import new_person

OLD, _, _ = SECRET_KEYS.partition(",")
NEW = "bmV3IGtleSBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVzIGw"
OLD_ID, NEW_ID = Cipher([OLD]).key_ids[0], Cipher([NEW]).key_ids[0]

pytestmark = pytest.mark.usefixtures("database", "redis_url")


def set_keys(monkeypatch, *keys):
    monkeypatch.setenv("AFLUENTE_SECRET_KEYS", ",".join(keys))
    forget_caches()


def send_batch(queue: str = "hot") -> None:
    """A batch on its way to the next step, as a worker publishes it."""
    capture({"external_id": "r-1", "email": "ada.sample@example.org"})
    claim = flow.claim_batch("hot") or flow.claim_batch("bulk")
    with app.connection_for_write(settings().broker_url) as connection:
        normalize.apply_async((seal(flow.map_claim(claim)),), queue=queue, connection=connection)


def rows_of(key_id: str) -> dict[str, object]:
    return next(row for row in answer("keys", "reseal", "--status") if row["key_id"] == key_id)


def test_a_message_that_waits_under_the_old_key_keeps_it(monkeypatch):
    send_batch()
    set_keys(monkeypatch, NEW, OLD)
    done = answer("keys", "reseal", code=1)
    assert (done["left"], done["droppable"]) == (["messages"], [])
    assert (rows_of(OLD_ID)["values"], rows_of(OLD_ID)["is_droppable"]) == ({"messages": 1}, False)
    assert not [check for check in run_checks() if check.name == "sealing keys" and "can go" in check.detail]


def test_a_message_that_a_worker_holds_keeps_it_too(monkeypatch, redis_client):
    send_batch()
    message = redis_client.lpop("hot").decode()
    redis_client.hset("unacked", "tag", f'[{message}, "", "hot"]')
    set_keys(monkeypatch, NEW, OLD)
    assert answer("keys", "reseal", code=1)["left"] == ["messages"]
    redis_client.delete("unacked")
    assert answer("keys", "reseal")["droppable"] == [OLD_ID]


def test_a_message_of_the_newest_key_keeps_no_other(monkeypatch):
    set_keys(monkeypatch, NEW, OLD)
    send_batch()
    assert answer("keys", "reseal")["left"] == []
    assert rows_of(NEW_ID)["values"]["messages"] == 1


def test_no_key_can_go_while_redis_cannot_be_asked(monkeypatch):
    set_keys(monkeypatch, NEW, OLD)
    monkeypatch.setenv("AFLUENTE_BROKER_URL", "redis://127.0.0.1:1/0")
    forget_caches()
    done = answer("keys", "reseal")
    assert (done["uncounted"], done["droppable"]) == (["messages"], [])
    assert "no key can go before" in run("keys", "reseal").stdout
    assert rows_of(OLD_ID)["is_droppable"] is False


def test_a_row_that_a_process_with_the_old_key_in_front_writes_takes_back_that_it_can_go(monkeypatch):
    set_keys(monkeypatch, NEW, OLD)
    assert answer("keys", "reseal")["droppable"] == [OLD_ID]
    set_keys(monkeypatch, OLD, NEW)  # one that had not read the newest
    with transaction() as connection:
        people.write_people(connection, [new_person(email="late@example.org")])
    set_keys(monkeypatch, NEW, OLD)
    assert rows_of(OLD_ID)["is_droppable"] is False
    assert "still needed" in next(check.detail for check in run_checks() if check.name == "sealing keys")


def test_a_look_at_one_table_says_of_no_key_that_it_can_go(monkeypatch):
    set_keys(monkeypatch, NEW, OLD)
    answer("keys", "reseal")
    assert [row["is_droppable"] for row in answer("keys", "reseal", "--status", "--table", "people")] == [False, False]


def test_doctor_names_the_day_and_the_backups(monkeypatch):
    set_keys(monkeypatch, NEW, OLD)
    answer("keys", "reseal")
    (detail,) = [check.detail for check in run_checks() if check.name == "sealing keys"]
    assert f"key {OLD_ID} can go from AFLUENTE_SECRET_KEYS after 20" in detail
    assert "one more `afluente keys reseal`; backups of before" in detail
