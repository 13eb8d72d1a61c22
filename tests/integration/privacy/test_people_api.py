"""People and their erasure by HTTP: a key of that scope, its own brands alone, and an entry for each reading."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID

import pytest

from pipeline.privacy import erasure
from pipeline.records import new_id
from pipeline.service_keys import known_keys
from pipeline.service_keys.keys import create_key
from pipeline.settings.loading import settings
from tests.support.command_line import capture, deliver, work
from tests.support.granting import OWNER
from tests.support.identity_rows import rows
from tests.support.intake_server import Receiver, running_receiver
from tests.support.services import forget_caches
from tests.support.watching import wait_until

ADA = {"email": "needle.ada@example.org", "full_name": "Ada Needle"}


@pytest.fixture
def receiver(database, redis_url, tmp_path, monkeypatch) -> Iterator[Receiver]:
    config = tmp_path / "afluente.yaml"
    config.write_text("brands: {default: {region: ES}, casa: {region: ES}}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(known_keys, "REFRESH_SECONDS", 0.1)  # new keys are known at once
    forget_caches()
    with running_receiver() as running:
        yield running


def key_of(receiver: Receiver, *scopes: str, brands: tuple[str, ...] = ()) -> dict[str, str]:
    made = create_key(settings(), "privacy desk", by=OWNER, scopes=scopes, brands=brands)
    headers = {"Authorization": f"Bearer {made.key}"}
    path = f"/v1/people/{new_id()}"
    assert wait_until(lambda: receiver.get(path, headers=headers).status_code != 401, seconds=20)
    return headers


def person(**fields: str) -> UUID:
    brand = fields.pop("brand", "default")
    (event_id,) = capture({**ADA, **fields}, brand=brand)
    work()
    return rows("SELECT person_id FROM events WHERE event_id = %s", event_id)[0][0]


def test_a_person_is_told_to_a_key_of_that_scope_and_brand_and_each_reading_is_an_entry(receiver):
    ada, other = person(), person(brand="casa", message="of the other brand")
    headers = key_of(receiver, "people:read", brands=("default",))
    answer = receiver.get(f"/v1/people/{ada}", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["tables"]["people"][0]["profile"]["email"]["value"] == ADA["email"]
    assert "other brand" not in answer.text
    for nobody in (other, new_id()):
        assert receiver.get(f"/v1/people/{nobody}", headers=headers).status_code == 404
    assert rows("SELECT actor_name, object_id FROM audit_log WHERE action = 'person.read'") == [
        ("privacy desk", str(ada))
    ]


def test_an_erasure_is_begun_and_followed_to_its_certificate(receiver):
    person()
    deliver()
    headers = key_of(receiver, "people:read", "privacy:erase", "privacy:read")
    begun = receiver.post("/v1/privacy/erase", json={"email": "Needle.ADA@example.org"}, headers=headers)
    assert begun.status_code == 202, begun.text
    erasure.advance(UUID(begun.json()["request_id"]))
    deliver()
    erasure.upkeep()
    told = receiver.get(f"/v1/privacy/requests/{begun.json()['request_id']}", headers=headers).json()
    assert (told["state"], told["certificate"]["people"]) == ("done", 1)
    assert rows("SELECT count(*) FROM people") == [(0,)]


def test_a_key_of_one_brand_erases_there_alone_and_cannot_name_another(receiver):
    person()
    person(brand="casa")
    headers = key_of(receiver, "people:read", "privacy:erase", "privacy:read", brands=("casa",))
    refused = receiver.post("/v1/privacy/erase", json={"email": ADA["email"], "brand": "default"}, headers=headers)
    assert refused.status_code == 403
    begun = receiver.post("/v1/privacy/erase", json={"email": ADA["email"]}, headers=headers)
    assert begun.status_code == 202
    assert rows("SELECT brand FROM people") == [("default",)]


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"email": "nobody"}, 400), ({"email": 5}, 400), ({"person_id": "x"}, 400), ([], 400)],
    ids=json.dumps,
)
def test_what_names_nobody_is_refused_and_nothing_is_begun(receiver, body, status):
    headers = key_of(receiver, "people:read", "privacy:erase")
    assert receiver.post("/v1/privacy/erase", json=body, headers=headers).status_code == status
    assert rows("SELECT count(*) FROM privacy_requests") == [(0,)]
