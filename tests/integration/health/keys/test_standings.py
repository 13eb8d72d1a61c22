"""Secrets that end, and stores that do not give them, are said in time and without a value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pipeline.errors import ConfigurationError
from pipeline.health.keys.gauges import SecretGauges
from pipeline.health.keys.standings import check_stored_secrets, find_ending, read_stores
from pipeline.settings.loading import load_settings
from pipeline.settings.secret_settings import references_in
from pipeline.settings.stores import kept
from pipeline.settings.stores.kept import secret_keeper
from tests.support.secret_stores import playing_vault
from tests.support.services import forget_caches

HOOKS = "vault:secret/hooks#signing"


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    forget_caches()
    yield
    forget_caches()


def known(tmp_path, env, expires="{}"):
    path = tmp_path / "afluente.yaml"
    path.write_text(
        f"sources: {{standard_webhooks: {{secret: '{HOOKS}'}}, json_feed: {{token: [env:FEED_NEW, env:FEED_OLD]}}}}\n"
        f"flower: {{auth: 'file:/run/flower'}}\nsecrets: {{expires: {expires}}}\n"
    )
    return load_settings({"AFLUENTE_CONFIG": str(path), **env}, data=tmp_path / "data")


def on_day(days):
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def test_every_reference_of_the_settings_is_found_once(tmp_path):
    found = [place.text for place in references_in(known(tmp_path, {}, "{'env:FEED_NEW': 2031-01-01}"))]
    assert found == ["env:FEED_NEW", "env:FEED_OLD", "file:/run/flower", HOOKS]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (40, None),
        (20, "within 30 days"),
        (10, "within 14 days"),
        (3, "within 7 days"),
        (1, "within 1 day"),
        (0, "ended"),
    ],
)
def test_a_secret_that_ends_is_said_from_thirty_days_before(tmp_path, days, said):
    settings = known(tmp_path, {}, f"{{'env:FEED_NEW': {on_day(days)}}}")
    notices = find_ending(settings)
    assert [said in notice and "env:FEED_NEW" in notice for notice in notices] == ([True] if said else [])
    checks = [check for check in check_stored_secrets(settings) if "FEED_NEW" in check.detail]
    assert [(check.name, check.ok) for check in checks] == ([("secrets", False)] if said else [])


def test_the_earlier_of_two_ends_counts(tmp_path):
    with playing_vault() as (vault, env):
        vault.put("secret/hooks", signing="x")
        vault.metadata = {"expires_at": on_day(9)}
        settings = known(tmp_path, env, f"{{'{HOOKS}': {on_day(25)}}}")
        read_stores(settings)
        assert [f"ends on {on_day(9)}, within 14 days" in notice for notice in find_ending(settings)] == [True]


def test_doctor_names_a_secret_that_its_store_does_not_give(tmp_path):
    with playing_vault() as (vault, env):
        settings = known(tmp_path, env)
        checks = list(check_stored_secrets(settings))
        assert [(check.name, check.ok) for check in checks] == [("secrets", False)]
        assert HOOKS in checks[0].detail
        forget_caches()
        vault.put("secret/hooks", signing="the value")
        checks = list(check_stored_secrets(settings))
        assert [(check.ok, check.detail) for check in checks] == [(True, "1 secret can be read where they are stored")]


def test_a_store_that_is_away_for_hours_is_an_alarm_and_one_that_refuses_is_one_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_RENEWAL_SECONDS", 0.0)
    with playing_vault() as (vault, env):
        vault.put("secret/hooks", signing="x")
        settings = known(tmp_path, env)
        read_stores(settings)
        place = next(place for place in references_in(settings) if place.text == HOOKS)
        vault.status = 503
        place.renew(settings.environ)
        assert find_ending(settings) == []
        (standing,) = secret_keeper().standings()
        assert standing.is_alarming(datetime.now(UTC) + kept.ALARM_AFTER)
        vault.status = 403
        place.renew(settings.environ)
        assert [HOOKS in notice for notice in find_ending(settings)] == [True]
        assert place.resolve(settings.environ) == "x"


def test_the_gauges_tell_when_it_ends_and_for_how_long_it_could_not_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_RENEWAL_SECONDS", 0.0)
    with playing_vault() as (vault, env):
        vault.put("secret/hooks", signing="the value")
        settings = known(tmp_path, env, f"{{'{HOOKS}': {on_day(10)}}}")
        read_stores(settings)
        vault.status = 503
        next(place for place in references_in(settings) if place.text == HOOKS).renew(settings.environ)
        registry = CollectorRegistry()
        registry.register(SecretGauges(settings))
        text = generate_latest(registry).decode()
    figures = {
        (line.split("{")[0], line.split('"')[1]): float(line.split()[-1]) for line in text.splitlines() if "{" in line
    }
    assert 8 < figures["afluente_secret_expires_days", HOOKS] <= 10
    assert figures["afluente_secret_failing_seconds", HOOKS] > 0
    assert figures["afluente_secret_failing_seconds", "env:FEED_OLD"] == 0
    assert "the value" not in text


@pytest.mark.parametrize(
    ("expires", "why"),
    [
        ("{FEED_NEW: 2031-01-01}", r"secrets\.expires: its keys are references"),
        ("{'env:FEED_NEW': soon}", r"secrets\.expires\.env:FEED_NEW: is no day; write it as 2027-03-31"),
        ("{'env:FEED_NEW': 7}", r"secrets\.expires\.env:FEED_NEW: is no day"),
    ],
)
def test_an_end_that_is_no_day_is_refused(tmp_path, expires, why):
    with pytest.raises(ConfigurationError, match=why):
        known(tmp_path, {}, expires)
