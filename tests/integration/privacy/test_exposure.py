"""Whom a breach concerns is counted rightly, by source and time, by sealing key, and by who looked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.audit.acting import acting_as
from pipeline.audit.entries import record_action
from pipeline.crypto.encryption import cipher
from pipeline.errors import UsageError
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.privacy.exposure import exposure
from pipeline.records.actors import Actor
from pipeline.store.engine import transaction
from tests.support import command_line
from tests.support.command_line import capture, run, work
from tests.support.own_ledger import ADA, BEA
from tests.support.services import SECRET_KEYS, forget_caches

VERA = Actor("user", "vera-1", "Vera", "oidc")


def count(**asked):
    with transaction() as connection:
        return exposure(connection, **asked)


def test_people_of_a_source_are_counted_once_with_what_is_known_of_them(installation):
    installation.person({**ADA, "country": "ES", "page_url": "https://example.org/?utm_source=news"})
    installation.person(
        {**ADA, "message": "again", "consents": [{"purpose": "m", "channel": "email", "granted": True}]}
    )
    installation.person(BEA)
    capture({"email": "other.source@example.org"}, source="json_feed")
    capture({"full_name": "Nobody Known"})
    work()
    command_line.deliver()
    found = count(source="api")
    assert (found.people, found.leads, found.leads_of_nobody) == ({"default": 2}, 4, 1)
    assert (found.fields["email"], found.fields["country"], found.countries) == (2, 1, {"ES": 1, "": 1})
    assert found.kept == {"requests as they came": 4, "visits": 3, "consents": 1, "records in sandbox": 2}
    assert found.keys == {cipher().key_ids[0]: 6}
    assert count(source="nobody").people == {}


def test_who_is_one_by_now_is_counted_as_one(installation):
    merge_people(installation.person(ADA), installation.person(BEA), Decision("vera"))
    assert count(source="api").people == {"default": 1}


def test_only_what_came_in_the_time_counts(installation):
    installation.person(ADA)
    now = datetime.now(UTC)
    assert count(source="api", since=now - timedelta(hours=1), until=now + timedelta(hours=1)).leads == 1
    assert count(source="api", until=now - timedelta(hours=1)).leads == 0
    assert count(source="api", since=now + timedelta(hours=1)).leads == 0


def test_a_key_names_those_whose_data_it_seals(installation, monkeypatch):
    first, second = cipher().key_ids
    installation.person(ADA)
    monkeypatch.setenv("AFLUENTE_SECRET_KEYS", ",".join(reversed(SECRET_KEYS.split(","))))
    forget_caches()
    installation.person(BEA)
    assert (count(key=first).people, count(key=first).keys) == ({"default": 1}, {first: 2})
    assert (count(key=second).people, count(key=second).keys) == ({"default": 1}, {second: 2})
    assert count(key="00000000").people == {}


def test_who_looked_at_whom_is_told_from_the_audit_log(installation):
    ada, _bea = installation.person(ADA), installation.person(BEA)
    with acting_as(VERA), transaction() as connection:
        for _ in range(2):
            record_action(connection, "people.read", brand="default", object_kind="person", object_id=ada)
    found = count(reader="vera-1")
    assert found.people == {"default": 1}
    assert [(one.actor, one.action, one.times) for one in found.readers] == [("Vera", "people.read", 2)]
    assert count(source="api").readers[0].times == 2


def test_where_the_key_is_lost_the_counts_are_still_there(installation, monkeypatch):
    installation.person(ADA)
    monkeypatch.setenv("AFLUENTE_SECRET_KEYS", "A2V5IHRoYXQgc2VhbGVkIG5vdGhpbmcgaGVyZSwgMzI")
    monkeypatch.setattr("pipeline.audit.entries.blind_index", lambda: None)
    from pipeline.crypto import encryption

    encryption.cipher.cache_clear()
    found = count(source="api")
    assert (found.people, found.fields) == ({"default": 1}, {})
    assert "is sealed with key" in (found.left_out or "")


@pytest.mark.parametrize("asked", [{}, {"source": "api", "key": "00000000"}, {"key": "xyz"}, {"key": "abcd"}])
def test_what_was_exposed_must_be_said_by_one_thing(installation, asked):
    with pytest.raises(UsageError):
        count(**asked)


def test_exposure_by_command_shows_no_value(installation):
    installation.person(ADA)
    done = run("privacy", "exposure", "--source", "api", "--since", "1h")
    assert done.returncode == 0, done.stderr
    assert "people: 1 (1 of default)" in done.stdout
    assert ADA["email"] not in done.stdout + run("privacy", "exposure", "--source", "api", "--json").stdout
