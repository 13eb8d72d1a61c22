"""What a CRM says of its quota may be nonsense, clocks may be set back, Redis may be wiped between a call's beginning
and its answer: calls go on at the rate that is known."""

from __future__ import annotations

import time

import pytest

from connectors.kit import Usage, Window, WindowUsage
from pipeline.delivery.governor import Governor
from tests.integration.delivery.test_windows import HOUR, RATE, call, governor, hear, others, take, take_all

__all__ = ["governor"]

KEY = "afluente:governor:crm"
NONSENSE = {"none at all": 0, "less than none": -5, "more than any number": int("9" * 400)}
DAY_SECONDS = 86_400
_LATER = """
local windows = cmsgpack.unpack(redis.call('HGET', KEYS[1], 'windows'))
for _, window in pairs(windows) do
  for _, slice in ipairs(window.log) do slice[1] = slice[1] + math.floor(ARGV[1] / window.slice) end
  for _, name in ipairs({'told_at', 'pace_at', 'began'}) do
    if window[name] then window[name] = window[name] + ARGV[1] end
  end
end
redis.call('HSET', KEYS[1], 'windows', cmsgpack.pack(windows))
for _, name in ipairs({'at', 'factor_at', 'halved_at', 'blocked_until', 'usage_at'}) do
  local stamped = tonumber(redis.call('HGET', KEYS[1], name))
  if stamped then redis.call('HSET', KEYS[1], name, string.format('%.0f', stamped + ARGV[1])) end
end
"""


def set_clock_back(redis_client, seconds: int) -> None:
    """As if all that is known had been stamped by a clock that was so far ahead."""
    redis_client.eval(_LATER, 1, KEY, seconds * 1_000_000)


def wait_for_a_grant(governor: Governor, window: Window) -> None:
    deadline = time.monotonic() + 5
    while (granted := governor.take("crm", rate=RATE, burst=1, windows=[window])).wait > 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert granted.wait == 0, "no time is less than none"


@pytest.mark.parametrize("limit", NONSENSE.values(), ids=NONSENSE)
def test_a_limit_that_no_quota_has_changes_nothing(governor, limit):
    window = Window("ten", 100, 10)
    counted = call(governor, window)
    governor.observe(
        "crm",
        Usage(used=limit, limit=limit, windows=(WindowUsage("ten", limit, limit),)),
        counted=counted,
        windows=[window],
    )
    wait_for_a_grant(governor, window)
    assert governor.state("crm").windows[0].limit == 100


def test_a_clock_that_is_set_back_by_a_day_holds_no_call_up(governor, redis_client):
    window = Window("hour", 20, HOUR)
    hear(governor, call(governor, window), window, used=5)
    set_clock_back(redis_client, DAY_SECONDS)
    redis_client.hset(KEY, "tokens", "0")
    wait_for_a_grant(governor, window)
    assert governor.state("crm").windows[0].own == 2


def test_what_was_called_by_a_clock_that_was_ahead_is_forgotten_in_the_windows_own_time(governor, redis_client):
    window = Window("hour", 3, HOUR)
    assert take_all(governor, window) == 3
    set_clock_back(redis_client, DAY_SECONDS)
    assert 0 < take(governor, window).wait < 1.02 * HOUR


def test_a_refusal_by_a_clock_that_was_ahead_does_not_last_for_days(governor, redis_client):
    window = Window("hour", 20, HOUR)
    call(governor, window)
    governor.slow_down("crm", 30)
    set_clock_back(redis_client, 2 * DAY_SECONDS)
    assert governor.take("crm", rate=RATE, burst=1, windows=[window]).wait < 1
    governor.slow_down("crm", 30)
    assert governor.take("crm", rate=RATE, burst=1).wait > 20, "one of now counts"


def test_redis_wiped_under_a_call_makes_no_others_of_what_was_noted_before(governor, redis_client):
    window = Window("hour", 100_000, HOUR)
    for used in (50_000, 10, 50_000, 10, 50_000):  # noted, forgotten by the CRM, and noted again
        hear(governor, call(governor, window), window, used)
    counted = call(governor, window)
    redis_client.flushdb()
    assert take_all(governor, window, most=1) == 1
    hear(governor, counted, window, used=counted[0].total)
    assert others(governor) <= 50_000
