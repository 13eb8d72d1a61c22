"""Tokens that outlive processes: renewed in time, by one process at a time, and never lost between two of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.access.tokens import NotConnectedError
from pipeline.errors import QuotaError, TerminalError, TransientError
from pipeline.health.doctor import run_checks
from pipeline.inspection.access.connections import read_connections
from pipeline.intake.polls import run_poll
from pipeline.store.engine import count_statements, transaction
from tests.support.paths import ROOT

from .conftest import BY_CLIENT, connect, stored_tokens, tokens

REFRESH = "refresh_token"


@pytest.fixture
def connected(acme, provider):
    """Agreed to, and not renewed yet."""
    connect(provider)
    provider.asked.clear()
    return provider


def test_a_token_in_force_costs_one_question_to_the_database(connected):
    with count_statements() as seen:
        tokens().token()
    assert [statement for statement in seen.statements if not statement.startswith("SET")] == seen.statements[-1:]


def test_a_key_that_is_being_replaced_is_shown_in_both_forms_and_each_brand_shows_its_own(acme, provider, monkeypatch):
    for name in ("new", "old", "others"):
        monkeypatch.setenv(name.upper(), f"key-{name}")
    named = {"casa": ["env:NEW", "env:OLD"], "otra": "env:OTHERS"}
    entry = {"brands": ["casa", "otra"], "secrets": {"ACME_ADS_KEY": named}}
    acme('Bearer(Secret("ACME_ADS_KEY"))', entry, brands={"casa": {}, "otra": {}})
    provider.access_tokens = {"key-old": float("inf"), "key-others": float("inf")}
    assert run_poll("acme_ads", "casa").error is None
    assert run_poll("acme_ads", "otra").error is None
    assert provider.shown == ["key-new", "key-old", "key-others"]


def age(share: float) -> None:
    """So much of the token's life is over."""
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE source_tokens SET refreshed_at = refreshed_at - %(share)s * (expires_at - refreshed_at),"
            " expires_at = expires_at - %(share)s * (expires_at - refreshed_at)",
            {"share": share},
        )


def test_a_token_serves_every_process_until_most_of_its_life_is_over(connected):
    first = tokens().token()
    assert tokens().token() == first
    age(0.75)
    assert tokens().token() == first
    age(0.25)
    assert tokens().token() != first
    assert connected.asked == [REFRESH]


def test_a_reading_that_outlasts_the_token_gets_the_next_one_by_itself(connected):
    connected.life_seconds = 1
    reading = tokens()
    age(0.9)
    first = reading.token()
    reading._due_at = 0.0  # a second later
    connected.life_seconds = 3600
    age(0.9)
    assert reading.token() != first
    assert connected.asked == [REFRESH] * 2


def test_of_many_who_need_a_new_token_at_once_one_asks_and_all_get_the_same(connected):
    readings = [tokens() for _ in range(8)]
    assert len({reading.token() for reading in readings}) == 1
    connected.expire()
    start = threading.Barrier(len(readings))

    def renew(reading):
        start.wait(20)
        assert reading.renew()
        return reading.token()

    with ThreadPoolExecutor(len(readings)) as threads:
        renewed = set(threads.map(renew, readings))
    assert len(renewed) == 1
    assert renewed <= set(connected.access_tokens)
    assert connected.asked == [REFRESH]


def test_who_was_refused_with_an_older_token_takes_the_one_that_another_got(connected):
    late, early = tokens(), tokens()
    late.token()
    early.token()
    connected.expire()
    assert early.renew()
    assert late.renew()
    assert late.token() == early.token()
    assert connected.asked == [REFRESH]


def test_a_chain_of_refresh_tokens_each_of_which_counts_once_never_breaks(connected):
    shown = set()
    for _ in range(5):
        connected.expire()
        reading = tokens()
        reading.token()
        assert reading.renew()
        shown.add(reading.token())
    assert len(shown) == 5
    assert len(connected.refresh_tokens) == 1


def test_a_poll_whose_token_ended_early_goes_on_with_a_new_one(connected):
    connected.leads = [{"id": "1", "at": "2026-03-01T10:00:00Z", "email": "ada@example.org"}]
    connected.expire()
    assert run_poll("acme_ads", "default").accepted == 1
    assert connected.asked == [REFRESH]


def test_a_source_that_refuses_a_new_token_too_is_asked_for_one_once_a_poll(connected):
    connected.expire()
    connected.before_answer = connected.expire
    report = run_poll("acme_ads", "default")
    assert report.is_terminal
    assert len(connected.shown) == 2
    assert connected.asked == [REFRESH]


def test_what_was_taken_back_is_said_with_the_one_command_and_the_source_asked_no_more(connected):
    connected.take_back()
    for _ in range(3):
        report = run_poll("acme_ads", "default", at_once=True)
        assert report.is_terminal
        assert "afluente source connect acme_ads" in (report.error or "")
    assert connected.asked == [REFRESH]
    (state,) = read_connections()
    assert state.state == "refused"
    assert "invalid_grant" in (state.last_error or "")
    check = next(check for check in run_checks() if check.name == "source acme_ads")
    assert not check.ok
    assert "afluente source connect acme_ads" in check.remedy


def test_after_it_was_agreed_to_again_it_goes_on(connected):
    connected.take_back()
    run_poll("acme_ads", "default")
    connect(connected)
    assert run_poll("acme_ads", "default").error is None
    assert read_connections()[0].state == "connected"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ((503, "{}"), TransientError),
        ((429, "{}"), QuotaError),
        ((400, '{"error": "temporarily_unavailable"}'), TransientError),
        ((200, "<html>"), TransientError),
    ],
)
def test_a_token_server_that_is_away_stops_nobody_before_the_token_ends(connected, given, error):
    first = tokens().token()
    age(0.9)
    connected.answers = [given]
    assert tokens().token() == first
    age(0.9)  # over now
    connected.answers = [given]
    with pytest.raises(error):
        tokens().token()
    assert tokens().token() not in (None, first)


def test_a_wrong_secret_of_the_app_is_told_apart_and_mended_without_anybody_agreeing_again(connected, monkeypatch):
    connected.expire()
    connected.secrets = {"another"}
    report = run_poll("acme_ads", "default")
    assert report.is_terminal
    assert "ACME_ADS_SECRET" in (report.error or "")
    monkeypatch.setenv("ACME_ADS_SECRET", "another")
    assert run_poll("acme_ads", "default", at_once=True).error is None


def test_of_two_secrets_of_the_app_the_one_that_counts_is_found(connected, monkeypatch):
    connected.expire()
    monkeypatch.setenv("ACME_ADS_SECRET", "not-yet-valid,secret-of-the-tests")
    assert run_poll("acme_ads", "default").error is None


def test_no_error_and_no_row_holds_a_token_or_a_secret(connected, caplog):
    held = [*connected.access_tokens, *connected.refresh_tokens, "secret-of-the-tests"]
    connected.take_back()
    report = run_poll("acme_ads", "default")
    with transaction() as connection:
        cursors = connection.exec_driver_sql("SELECT to_jsonb(c)::text FROM cursors c").scalars().all()
    told = f"{report} {stored_tokens()} {cursors} {caplog.text}"
    assert not [text for text in held if text in told]


def test_tokens_of_the_app_itself_are_shared_too(acme, provider):
    acme(BY_CLIENT)
    assert tokens().token() == tokens().token()
    assert provider.asked == ["client_credentials"]


def test_a_token_whose_life_is_not_told_is_kept_until_it_is_refused(acme, provider):
    acme(BY_CLIENT)
    provider.answers = [(200, '{"access_token": "for-good"}')]
    assert tokens().token() == "for-good"
    assert tokens().token() == "for-good"
    assert provider.asked == ["client_credentials"]


def test_a_database_that_goes_away_after_the_source_answered_loses_no_refresh_token(connected):
    """The source has forgotten the one before: what it gave instead must be kept, however often that takes."""
    connected.expire()
    reading = tokens()
    reading.token()
    connected.before_answer = end_other_sessions
    assert reading.renew()
    connected.before_answer = lambda: None
    assert reading.token() in connected.access_tokens
    connected.expire()
    reading = tokens()
    reading.token()
    assert reading.renew()
    assert reading.token() in connected.access_tokens
    assert read_connections()[0].state == "connected"
    assert len(connected.refresh_tokens) == 1


def end_other_sessions():
    with transaction() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.long
def test_a_process_killed_while_it_renews_holds_up_nobody(connected):
    asks, is_over = threading.Event(), threading.Event()

    def hang() -> None:
        asks.set()
        is_over.wait(100)
        raise ConnectionAbortedError

    connected.before_ask = hang
    first = tokens().token()
    age(0.9)
    code = "from tests.integration.access.conftest import tokens; tokens().token()"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ))
    try:
        assert asks.wait(60)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    connected.before_ask = lambda: None
    second = tokens().token()
    is_over.set()
    assert second != first
    assert second in connected.access_tokens


def test_who_is_refused_for_good_is_told_by_an_error_of_its_own(connected):
    connected.take_back()
    reading = tokens()
    reading.token()
    with pytest.raises(NotConnectedError, match="afluente source connect acme_ads"):
        reading.renew()
    with pytest.raises(TerminalError, match="agree to it"):
        tokens().token()
