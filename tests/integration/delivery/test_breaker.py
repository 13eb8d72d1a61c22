"""The shared breaker on a real Redis."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline.delivery.breaker import Breaker
from pipeline.delivery.shared_state import redis_url as redis_form
from pipeline.delivery.shared_state import shared_redis
from pipeline.errors import ConfigurationError, TransientError

PAUSE = 0.2


@pytest.fixture
def breaker(redis_url) -> Breaker:
    return Breaker(
        shared_redis(redis_url), failures_to_open=3, first_pause_seconds=PAUSE, longest_pause_seconds=4 * PAUSE
    )


def ask(breaker: Breaker, probe_seconds: float = 5.0) -> float:
    return breaker.ask("crm", probe_seconds=probe_seconds)


def open_it(breaker: Breaker) -> None:
    for _ in range(3):
        breaker.failure("crm", "answered 500")


def test_it_opens_after_failures_in_a_row(breaker):
    for _ in range(2):
        breaker.failure("crm", "answered 500")
        assert ask(breaker) == 0
    breaker.failure("crm", "answered 500")
    assert 0 < ask(breaker) <= PAUSE
    state = breaker.state("crm")
    assert (state.state, state.failures, state.reason) == ("open", 3, "answered 500")


def test_an_answer_in_between_begins_the_count_anew(breaker):
    for _ in range(5):
        breaker.failure("crm", "answered 500")
        breaker.success("crm")
    assert ask(breaker) == 0
    assert breaker.state("crm").state == "closed"


def test_when_the_pause_is_over_one_of_many_is_the_probe(breaker):
    open_it(breaker)
    time.sleep(PAUSE)
    assert breaker.state("crm").state == "half_open"
    answers: list[float] = []
    askers = [threading.Thread(target=lambda: answers.append(ask(breaker))) for _ in range(16)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert sum(wait == 0 for wait in answers) == 1


def test_a_probe_that_is_answered_closes_it(breaker):
    open_it(breaker)
    time.sleep(PAUSE)
    ask(breaker)
    breaker.success("crm")
    assert [ask(breaker) for _ in range(3)] == [0, 0, 0]


def test_each_probe_that_fails_doubles_the_pause_up_to_a_limit(breaker):
    open_it(breaker)
    for expected in (2 * PAUSE, 4 * PAUSE, 4 * PAUSE):
        time.sleep(breaker.state("crm").open_seconds + 0.01)
        assert ask(breaker) == 0
        breaker.failure("crm", "answered 500")
        assert breaker.state("crm").open_seconds == pytest.approx(expected, abs=0.05)


def test_failures_of_calls_that_were_under_way_do_not_lengthen_the_pause(breaker):
    open_it(breaker)
    for _ in range(5):
        breaker.failure("crm", "answered 500")
    assert ask(breaker) <= PAUSE


def test_a_probe_that_died_or_had_nothing_to_send_makes_room_for_another(breaker):
    open_it(breaker)
    time.sleep(PAUSE)
    assert ask(breaker, probe_seconds=0.1) == 0
    assert ask(breaker) > 0
    time.sleep(0.11)
    assert ask(breaker) == 0
    assert ask(breaker) > 0
    breaker.decline("crm")
    assert ask(breaker) == 0


def test_a_halt_lasts_as_long_as_told_and_then_lets_a_probe_look(breaker):
    breaker.halt("crm", 0.2, "the access token is refused")
    assert breaker.state("crm").reason == "the access token is refused"
    assert 0.1 < ask(breaker) <= 0.2
    time.sleep(0.21)
    assert ask(breaker) == 0


def test_a_wiped_redis_closes_it(breaker, redis_client):
    open_it(breaker)
    redis_client.flushall()
    assert ask(breaker) == 0


def test_without_redis_it_lets_nobody_through():
    with pytest.raises(TransientError):
        ask(Breaker(shared_redis("redis+socket:///nonexistent/redis.sock")))


@pytest.mark.parametrize(
    ("broker_url", "expected"),
    [
        ("redis+socket:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis+socket:///run/redis.sock?virtual_host=3", "unix:///run/redis.sock?db=3"),
        ("redis+socket://:secret@/run/redis.sock", "unix://:secret@/run/redis.sock"),
        ("rediss://user:secret@broker:6380/1", "rediss://user:secret@broker:6380/1"),
    ],
)
def test_the_broker_s_url_is_read_as_redis_py_wants_it(broker_url, expected):
    assert redis_form(broker_url) == expected


def test_a_broker_that_is_not_redis_is_refused_without_repeating_its_password():
    with pytest.raises(ConfigurationError) as refused:
        redis_form("amqp://user:secret@broker//")
    assert "amqp" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_who_opens_and_who_closes_it_is_told_and_nobody_else(breaker):
    assert not breaker.success("crm")
    assert [breaker.failure("crm", "answered 500") for _ in range(5)] == [False, False, True, False, False]
    assert breaker.success("crm")
    assert not breaker.success("crm")
    assert [breaker.halt("crm", 1.0, "bad credentials") for _ in range(2)] == [True, False]
    assert breaker.success("crm")
    breaker.failure("crm", "answered 500")
    assert not breaker.success("crm"), "one failure halts nothing"
