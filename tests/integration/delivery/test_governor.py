"""The shared quota on a real Redis, with several processes asking at once."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest

from connectors.kit import Usage
from pipeline.delivery.governor import Governor
from pipeline.delivery.shared_state import shared_redis
from pipeline.errors import TransientError

RATE = 100.0
BURST = 20
_processes = multiprocessing.get_context("spawn")


@pytest.fixture
def governor(redis_url) -> Governor:
    return Governor(shared_redis(redis_url))


def take(governor: Governor, calls: int = 1, **changes) -> float:
    return governor.take("crm", calls, **({"rate": RATE, "burst": BURST} | changes)).wait


def drain(governor: Governor) -> None:
    while take(governor) == 0:
        pass


def take_for(broker_url: str, seconds: float, line: Connection) -> None:
    """In a process of its own: take as many calls as are granted, from the moment it is told on. Sends how many."""
    governor = Governor(shared_redis(broker_url))
    governor.state("crm")  # connected before the clock runs
    line.send("ready")
    start_at = line.recv()
    time.sleep(max(0.0, start_at - time.time()))
    granted = 0
    while time.time() < start_at + seconds:
        wait = take(governor)
        granted += wait == 0
        time.sleep(min(wait, max(0.0, start_at + seconds - time.time())))
    line.send(granted)


def granted_to_processes(redis_url: str, seconds: float, *, meanwhile: Callable[[float], None] | None = None) -> int:
    lines = [_processes.Pipe() for _ in range(4)]
    workers = [_processes.Process(target=take_for, args=(redis_url, seconds, theirs)) for _, theirs in lines]
    for worker, (_, theirs) in zip(workers, lines, strict=True):
        worker.start()
        theirs.close()  # so that a worker that dies ends the wait for it
    for ours, _ in lines:
        ours.recv()
    start_at = time.time() + 0.1
    for ours, _ in lines:
        ours.send(start_at)
    if meanwhile:
        meanwhile(start_at)
    granted = sum(ours.recv() for ours, _ in lines)
    for worker in workers:
        worker.join()
    return granted


@pytest.mark.long
def test_four_processes_together_get_the_whole_rate_and_never_more_than_a_burst_beyond_it(redis_url):
    seconds = 4.0
    granted = granted_to_processes(redis_url, seconds)
    assert 0.95 * RATE * seconds <= granted <= RATE * seconds + BURST


@pytest.mark.long
def test_a_redis_wiped_under_load_stops_nobody_and_grants_no_second_burst(redis_url, redis_client):
    seconds = 4.0
    wipes = 5

    def wipe(start_at: float) -> None:
        for number in range(wipes):
            time.sleep(max(0.0, start_at + 0.5 + number * 0.6 - time.time()))
            redis_client.flushall()
            redis_client.script_flush()

    granted = granted_to_processes(redis_url, seconds, meanwhile=wipe)
    # Each wipe forgets at most a burst and grants one call at once.
    assert 0.95 * RATE * seconds - wipes * BURST <= granted <= RATE * seconds + BURST + wipes


def test_a_bucket_used_for_the_first_time_grants_one_call_at_once_and_fills_up_to_the_burst(governor):
    assert take(governor) == 0
    assert take(governor) > 0
    time.sleep(2 * BURST / RATE)
    began = time.monotonic()
    granted = 0
    while take(governor) == 0:
        granted += 1
    assert BURST <= granted <= BURST + 1 + RATE * (time.monotonic() - began)


def test_a_redis_wiped_again_and_again_does_not_stop_a_lane_that_leaves_a_reserve(governor, redis_client):
    for _ in range(5):
        redis_client.flushall()
        assert take(governor, reserve=BURST // 2) == 0


def test_the_wait_told_is_the_wait_needed(governor):
    drain(governor)
    wait = take(governor, calls=5)
    assert 0.03 <= wait <= 5 / RATE
    time.sleep(wait)
    assert take(governor, calls=5) == 0


def test_a_batch_larger_than_the_burst_is_granted_in_time(governor):
    wait = take(governor, calls=3 * BURST)
    assert wait <= 3 * BURST / RATE
    time.sleep(wait)
    assert take(governor, calls=3 * BURST) == 0


def test_the_bulk_lane_leaves_its_reserve_to_the_hot_lane(governor):
    take(governor)
    time.sleep(2 * BURST / RATE)
    assert take(governor) == 0
    while take(governor, rate=0.5, reserve=4) == 0:
        pass
    hot = 0
    while take(governor, rate=0.5) == 0:
        hot += 1
    assert hot == 4


def test_a_reserve_as_large_as_the_bucket_does_not_stop_the_bulk_lane(governor):
    take(governor)
    time.sleep(2 * BURST / RATE)
    assert take(governor, reserve=BURST) == 0


def test_calls_given_back_can_be_taken_again_but_never_beyond_the_burst(governor):
    take(governor)
    governor.give_back("crm", 100 * BURST)
    granted = 0
    while take(governor, rate=0.01) == 0:
        granted += 1
    assert granted == BURST


def test_after_a_refusal_nobody_calls_until_the_time_named_and_then_at_half_the_rate(governor):
    drain(governor)
    governor.slow_down("crm", retry_after=0.5)
    assert 0.4 < take(governor) <= 0.5
    assert 0.4 < governor.state("crm").blocked_seconds <= 0.5
    time.sleep(0.52)
    drain(governor)
    assert take(governor, calls=5) == pytest.approx(5 / (RATE / 2), rel=0.25)


def test_refusals_of_calls_under_way_together_halve_the_rate_once(governor):
    for _ in range(8):
        governor.slow_down("crm", retry_after=0.2)
    assert governor.state("crm").factor == 0.5


def test_a_refusal_after_the_block_halves_the_rate_again_and_the_longest_block_counts(governor, redis_client):
    governor.slow_down("crm", retry_after=0.0)
    redis_client.hset("afluente:governor:crm", "halved_at", 0)  # as if a while ago
    governor.slow_down("crm", retry_after=3.0)
    governor.slow_down("crm", retry_after=1.0)
    state = governor.state("crm")
    assert state.factor == 0.25
    assert state.blocked_seconds > 2.5


def test_the_rate_recovers_in_steps_while_no_refusal_comes(governor, redis_client):
    governor.slow_down("crm", retry_after=0.0)
    for windows, expected in ((1, 0.6), (2, 0.8), (50, 1.0)):
        earlier = int(redis_client.hget("afluente:governor:crm", "factor_at")) - windows * 5_000_000
        redis_client.hset("afluente:governor:crm", "factor_at", earlier)
        take(governor)
        assert governor.state("crm").factor == pytest.approx(expected)


def test_near_the_end_of_a_day_s_quota_only_the_hot_lane_calls(governor):
    take(governor)
    time.sleep(2 * BURST / RATE)
    governor.observe("crm", Usage(used=96, limit=100))
    assert take(governor, reserve=2) > 50
    assert take(governor, reserve=0) == 0
    governor.observe("crm", Usage(used=10, limit=100))
    assert take(governor, reserve=2) == 0


def test_destinations_do_not_share_a_bucket(governor):
    drain(governor)
    assert governor.take("another", rate=RATE, burst=BURST).wait == 0


def test_a_bucket_nobody_uses_is_forgotten_after_a_day(governor, redis_client):
    take(governor)
    assert 86_000_000 < redis_client.pttl("afluente:governor:crm") <= 86_400_000


def test_without_redis_no_call_is_granted():
    away = Governor(shared_redis("redis+socket:///nonexistent/redis.sock"))
    with pytest.raises(TransientError) as refused:
        take(away)
    assert refused.value.retry_after
    with pytest.raises(TransientError):
        away.state("crm")
