"""A provider that has lost deliveries is asked for its lists afterwards, as a Reconcile declares them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests

from connectors.kit import Basic, sources
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.handshakes import secrets_of_webhook
from connectors.kit.sources.reconciling.declared import reconcile_of
from connectors.sandbox.providers.holding import hold
from connectors.sandbox.providers.invented import Inventor, Lead
from connectors.sandbox.providers.posting import Address, Dice, Sender
from connectors.sandbox.providers.provider import Provider
from connectors.sandbox.providers.retries import retries_of
from connectors.sandbox.providers.server import ProviderServer
from pipeline.intake.fetching.runs import run_fetches
from pipeline.intake.reconciling.runs import run_reconcile
from tests.support.command_line import work
from tests.support.intake_server import count_events, running_receiver
from tests.support.posted_sources import people
from tests.support.services import forget_caches

SECRET, FIRST, SECOND = "a-secret-of-both", "the-first-token", "the-second-token"
LISTED = sorted(slug for slug, connector in sources().items() if reconcile_of(connector) is not None)


def yesterday() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


class Played:
    """A provider on its own port, and the installation that it posts to."""

    def __init__(self, source: str, folder, monkeypatch, *, count: int = 40, pace: int = 100, **facts) -> None:
        self.pace = pace
        self.connector = sources()[source]
        self.inventor = Inventor(self.connector)
        step = timedelta(days=1) / count
        self.leads: list[Lead] = [self.inventor.lead(number, yesterday() + number * step) for number in range(count)]
        self.provider = Provider(source, tokens={FIRST, SECOND}, **facts)
        hold(self.provider, self.inventor, self.leads, page_size=7)
        self.secrets = {secret.name: SECRET for secret in secrets_of_webhook(self.connector.intake)}
        for name, value in self.secrets.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FIRST_TOKEN", FIRST)
        monkeypatch.setenv("SECOND_TOKEN", SECOND)
        monkeypatch.setenv("AFLUENTE_CONFIG", str(folder / "afluente.yaml"))
        self.folder = folder

    def post(self, address: str, *, leads: list[Lead] | None = None, **dice):
        to = Address(f"{address}/in/default/{self.connector.source}", self.connector.intake, self.secrets)
        return Sender(self.inventor, to, retries_of(self.connector.source), speed=1e6).play(
            self.leads if leads is None else leads, Dice(**dice)
        )

    def set_up(self, url: str) -> None:
        """As `afluente.yaml` says where and how fast it is asked."""
        reconcile = reconcile_of(self.connector)
        options = {name: self.inventor.options[name] for name in reconcile.required}
        tokens = ["env:FIRST_TOKEN", "env:SECOND_TOKEN"]
        auth = reconcile.poll.auth
        shown = {"token": tokens}
        if isinstance(auth, Basic):
            shown = {"secrets": {auth.user.name: "env:FIRST_TOKEN", auth.password.name: tokens}}
        entry = {"url": url, **shown, "reconcile": {"calls_per_second": self.pace, **options}}
        if fetch_of(self.connector) is not None:
            entry["options"] = {"calls_per_second": self.pace}
        (self.folder / "afluente.yaml").write_text(json.dumps({"sources": {self.connector.source: entry}}))
        forget_caches()


@pytest.mark.short(2)
@pytest.mark.parametrize("source", LISTED)
def test_what_was_lost_is_found_in_the_lists_page_by_page(source, database, tmp_path, monkeypatch):
    played = Played(source, tmp_path, monkeypatch)
    with ProviderServer(played.provider) as server:
        played.set_up(server.address)
        with running_receiver() as receiver:
            done = played.post(receiver.address, lose=0.1, double=0.1)
        assert len(done.lost) >= 4
        assert count_events(source) == 40 - len(done.lost)
        report = run_reconcile(source, "default", at_once=True)
    assert (report.poll.error, report.poll.accepted) == (None, len(done.lost))
    assert count_events(source) == 40
    day = report.days[yesterday().date()]
    assert (day.expected, day.received, day.recovered) == (40, 40 - len(done.lost), len(done.lost))


@pytest.mark.short(2)
@pytest.mark.parametrize("source", LISTED)
def test_a_token_that_expires_in_the_middle_of_the_lists_is_changed_for_the_other_one(
    source, database, tmp_path, monkeypatch
):
    played = Played(source, tmp_path, monkeypatch, lives={FIRST: 3})
    with ProviderServer(played.provider) as server:
        played.set_up(server.address)
        report = run_reconcile(source, "default", at_once=True)
    assert (report.poll.error, report.poll.accepted) == (None, 40)
    refused = played.provider.count(401) + played.provider.count(400)
    assert refused


@pytest.mark.short(2)
@pytest.mark.parametrize("source", [slug for slug in LISTED if reconcile_of(sources()[slug]).parent_url is None])
def test_lists_that_take_fewer_calls_than_they_are_asked_are_read_to_their_end(source, database, tmp_path, monkeypatch):
    played = Played(source, tmp_path, monkeypatch, count=21, pace=5, per_second=1.5, retry_after="1")
    with ProviderServer(played.provider) as server:
        played.set_up(server.address)
        for _ in range(8):  # one that is cut short is tried again when the quota allows
            report = run_reconcile(source, "default", at_once=True)
            if report.poll.error is None:
                break
            assert report.poll.quota_wait, report.poll.error
            time.sleep(report.poll.quota_wait)
    assert report.poll.error is None
    assert count_events(source) == 21
    assert played.provider.count(429) + played.provider.count(400)  # Meta says it by a code


@pytest.mark.short(1)
@pytest.mark.parametrize("source", LISTED)
def test_after_losses_repeats_an_outage_and_an_expired_token_one_reading_makes_everybody_come_once(
    source, database, tmp_path, monkeypatch
):
    played = Played(source, tmp_path, monkeypatch, lives={FIRST: 3})
    with ProviderServer(played.provider) as server:
        played.set_up(server.address)
        with running_receiver() as receiver:
            posted = played.post(receiver.address, leads=played.leads[:30], lose=0.05, double=0.05)
        in_vain = played.post(receiver.address, leads=played.leads[30:])  # nobody is there any more
        missing = posted.missing | in_vain.missing
        assert len(missing) == 2 + 10
        assert posted.doubled
        report = run_reconcile(source, "default", at_once=True)
        assert (report.poll.error, report.poll.accepted) == (None, len(missing))
        if fetch_of(played.connector) is not None:
            run_fetches(source, "default", budget_seconds=20.0)
        work()
    assert count_events(source) == 40
    assert len(people()) == 40


def test_only_what_lies_in_the_window_is_listed(database, tmp_path, monkeypatch):
    played = Played("typeform", tmp_path, monkeypatch)
    late = [played.inventor.lead(100 + number, yesterday() - timedelta(days=9)) for number in range(3)]
    hold(played.provider, played.inventor, [*played.leads, *late])
    with ProviderServer(played.provider) as server:
        played.set_up(server.address)
        form = played.inventor.parents[0]["id"]
        asked = {"since": (yesterday() - timedelta(days=10)).isoformat(), "until": yesterday().isoformat()}
        answer = requests.get(
            f"{server.address}/forms/{form}/responses",
            params=asked,
            headers={"Authorization": f"Bearer {FIRST}"},
            timeout=20,
        )
        assert len(answer.json()["items"]) == 3 + 1  # and the first of yesterday, whose moment is the window's end
        assert run_reconcile("typeform", "default", at_once=True).poll.accepted == 40
        first = (yesterday() - timedelta(days=10)).date()
        assert run_reconcile("typeform", "default", at_once=True, begin=first).poll.accepted == 3
