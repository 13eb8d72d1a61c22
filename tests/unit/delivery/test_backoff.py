"""Waiting after failures."""

from __future__ import annotations

from pipeline.delivery.backoff import backoff_seconds


def test_the_wait_triples_with_each_attempt_and_half_of_it_is_certain():
    for attempts in range(1, 8):
        full = 3.0 ** (attempts - 1)
        waits = [backoff_seconds(attempts) for _ in range(200)]
        assert all(full / 2 <= wait <= full for wait in waits)


def test_the_wait_has_an_end_whatever_the_number_of_attempts():
    assert max(backoff_seconds(attempts, longest=900) for attempts in (20, 1_000, 10**9)) <= 900


def test_workers_that_failed_together_come_back_apart():
    assert len({round(backoff_seconds(5), 3) for _ in range(50)}) > 40


def test_a_wait_that_the_other_side_asked_for_is_kept_and_hardly_overstayed():
    waits = [backoff_seconds(1, retry_after=60) for _ in range(200)]
    assert min(waits) >= 60
    assert max(waits) <= 66


def test_a_short_retry_after_does_not_shorten_the_backoff():
    assert min(backoff_seconds(8, retry_after=0) for _ in range(200)) >= 3**7 / 2


def test_twelve_attempts_last_long_enough_for_a_crm_to_recover_and_end_within_a_working_day():
    waits = [sum(backoff_seconds(attempts) for attempts in range(1, 12)) for _ in range(100)]
    assert min(waits) > 3600
    assert max(waits) < 5 * 3600
