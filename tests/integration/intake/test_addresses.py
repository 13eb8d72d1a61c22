"""Requests of a source from elsewhere than it is said to send from are refused, whatever they claim of themselves."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings.loading import load_settings
from pipeline.store.engine import transaction
from tests.support.intake_server import count_events, running_receiver
from tests.support.services import forget_caches

LEAD = {"email": "ada@example.org", "first_name": "Ada"}
PROXY = "127.0.0.1"  # whom the tests connect from


@pytest.fixture
def receiver(database, tmp_path, monkeypatch):
    """Gives a receiver that is set up so."""

    def started(source, **receiver):
        path = tmp_path / "afluente.yaml"
        path.write_text(json.dumps({"sources": {"web_form": source, "api": source}, "receiver": receiver}))
        monkeypatch.setenv("AFLUENTE_CONFIG", str(path))
        forget_caches()
        return running_receiver()

    return started


def post(running, forwarded=None):
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    return running.post("/in/default/web_form", json=LEAD, headers=headers).status_code


def test_who_sends_from_an_allowed_address_gets_in(receiver):
    with receiver({"allow_from": ["127.0.0.0/8"]}) as running:
        assert post(running) == 202
        assert running.post_leads({"email": "bo@example.org"}).status_code == 202


def test_who_sends_from_elsewhere_is_refused_unread_and_counted(receiver):
    with receiver({"allow_from": ["203.0.113.0/24"]}) as running:
        refused = running.post("/in/default/web_form", data=b"{")
        assert (refused.status_code, refused.json()["error"]) == (403, "address")
        assert running.get("/in/default/web_form").status_code == 403
        assert running.post_leads({"email": "bo@example.org"}).status_code == 403
        assert count_events("web_form") == 0
    assert counted() == 2  # written at the end at the latest


def counted():
    with transaction() as connection:
        return connection.exec_driver_sql(
            "SELECT coalesce(sum(requests), 0) FROM intake_requests WHERE (source, outcome) = ('web_form', 'address')"
        ).scalar_one()


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("203.0.113.7", 202),
        ("203.0.113.7:51000", 202),
        ("198.51.100.9, 203.0.113.7", 202),
        ("203.0.113.7, 198.51.100.9", 403),  # what the sender wrote itself is left of what the proxy saw
        ("203.0.113.7, 10.1.2.3", 202),  # two proxies of ours
        ("2001:db8::7", 202),
        ("::ffff:203.0.113.7", 202),
        ("unknown", 403),
        (None, 403),
    ],
)
def test_behind_a_trusted_proxy_the_address_that_it_saw_counts(receiver, forwarded, status):
    allowed = {"allow_from": ["203.0.113.7", "2001:db8::/32"]}
    with receiver(allowed, trusted_proxies=[PROXY, "10.0.0.0/8"]) as running:
        assert post(running, forwarded) == status


def test_the_word_of_a_proxy_that_is_not_trusted_does_not_count(receiver):
    with receiver({"allow_from": ["203.0.113.7"]}, trusted_proxies=["192.0.2.1"]) as running:
        assert post(running, "203.0.113.7") == 403


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("sources: {web_form: {allow_from: [203.0.113.7/24]}}", r"allow_from\[0\].*the network is 203\.0\.113\.0/24"),
        ("sources: {web_form: {allow_from: [hooks.example.org]}}", r"allow_from\[0\].*neither an address nor"),
        ("receiver: {trusted_proxies: [10.0.0.0/33]}", r"receiver\.trusted_proxies\[0\].*neither an address nor"),
    ],
)
def test_what_is_no_network_is_said_with_its_place(tmp_path, written, why):
    (tmp_path / "afluente.yaml").write_text(written)
    with pytest.raises(ConfigurationError, match=why):
        load_settings({"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml")}, data=tmp_path / "data")
