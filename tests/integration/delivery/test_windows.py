"""Several windows of one account on a real Redis: granted all or none, and with room for whoever else calls."""

from __future__ import annotations

import time

import pytest

from connectors.kit import Usage, Window, WindowUsage
from pipeline.delivery.governor import Counted, Governor, Grant
from pipeline.delivery.shared_state import shared_redis
from pipeline.lanes import BULK, HOT

RATE, BURST = 10_000.0, 10_000
HOUR = 3_600.0  # long enough that calls are not spread over it


@pytest.fixture
def governor(redis_url) -> Governor:
    return Governor(shared_redis(redis_url))


def take(governor: Governor, *windows: Window, calls: int = 1, lane: str = HOT, account: str = "crm") -> Grant:
    """Once the bucket is not what is waited for."""
    while True:
        granted = governor.take(account, calls, rate=RATE, burst=BURST, windows=windows, lane=lane)
        if granted.wait == 0 or granted.waits_for is not None:
            return granted
        time.sleep(granted.wait)


def take_all(governor: Governor, *windows: Window, lane: str = HOT, most: int = 1_000) -> int:
    """How many calls are granted until one has to wait."""
    granted = 0
    while granted < most and take(governor, *windows, lane=lane).wait == 0:
        granted += 1
    return granted


def call(governor: Governor, *windows: Window) -> list[Counted]:
    """A call that begins as soon as it is granted; gives what stood in the windows then."""
    while (granted := take(governor, *windows)).wait > 0:
        assert granted.wait < 1
        time.sleep(granted.wait)
    counted = governor.spend("crm", at=granted.at, windows=windows)
    assert counted is not None
    return counted


def hear(governor: Governor, counted: list[Counted], window: Window, used: int, limit: int | None = None) -> None:
    usage = Usage(windows=(WindowUsage(window.name, used, limit or window.calls),))
    governor.observe("crm", usage, counted=counted, windows=[window])


def others(governor: Governor) -> int:
    return governor.state("crm").windows[0].others


def test_a_call_that_one_window_refuses_is_counted_in_none(governor, redis_client):
    wide, narrow = Window("wide", 100, HOUR), Window("narrow", 3, 2 * HOUR)
    assert take_all(governor, wide, narrow) == 3
    refused = take(governor, wide, narrow)
    assert (refused.waits_for, refused.wait > HOUR) == ("narrow", True)
    assert {window.name: window.own for window in governor.state("crm").windows} == {"wide": 3, "narrow": 3}
    tokens = float(redis_client.hget("afluente:governor:crm", "tokens"))
    take(governor, wide, narrow)
    assert float(redis_client.hget("afluente:governor:crm", "tokens")) >= tokens, "nor was a token taken for it"


def test_calls_taken_together_are_granted_together_or_not_at_all(governor):
    window = Window("day", 10, HOUR)
    assert take(governor, window, calls=6).wait == 0
    assert take(governor, window, calls=6).wait > 0
    assert take_all(governor, window) == 4


def test_accounts_do_not_disturb_each_other(governor):
    window = Window("day", 5, HOUR)
    assert take_all(governor, window) == 5
    assert take(governor, window, account="another").wait == 0


@pytest.mark.long
def test_never_are_there_more_calls_in_any_window_however_it_lies(governor):
    window = Window("second", 20, 1.0)
    granted_at = []
    ends_at = time.monotonic() + 3.5
    while time.monotonic() < ends_at:
        granted = take(governor, window)
        if granted.wait == 0:
            granted_at.append(granted.at)
        time.sleep(min(granted.wait, 0.05))
    most = max(sum(at <= other < at + 1_000_000 for other in granted_at) for at in granted_at)
    assert most <= 20
    assert len(granted_at) > 35, "and most of the quota is used"


def test_a_day_that_is_used_up_says_when_it_goes_on_and_goes_on_by_itself(governor):
    day = Window("day", 40, 2.0)
    began = time.monotonic()
    granted = 0
    while granted < 60:
        wait = take(governor, day).wait
        assert wait < 2.2
        granted += wait == 0
        time.sleep(wait)
    assert time.monotonic() - began > 60 / 20 - 1.3, "not before the first calls are two seconds old"


def test_what_a_lane_waits_for_and_how_long_is_told(governor):
    day = Window("day", 10, HOUR, floor=0.2)
    assert take_all(governor, day, lane=BULK) == 8
    state = governor.state("crm")
    assert (state.full, state.full_lane, state.full_seconds > HOUR - 60) == ("day", "bulk", True)
    assert state.next_call_seconds == 0, "the hot lane goes on"
    assert take_all(governor, day, lane=HOT) == 2
    state = governor.state("crm")
    assert (state.full, state.full_lane) == ("day", "hot")
    assert state.next_call_seconds > HOUR - 60


def test_near_the_end_of_a_window_only_the_hot_lane_calls(governor):
    day = Window("day", 20, HOUR, floor=0.25)
    assert take_all(governor, day, lane=BULK) == 15
    assert take_all(governor, day, lane=HOT) == 5


def test_the_share_in_reserve_is_not_used_by_us(governor):
    assert take_all(governor, Window("day", 20, HOUR, reserve=0.3)) == 14


def test_what_other_applications_use_is_seen_and_left_to_them(governor):
    day = Window("day", 100, HOUR)
    hear(governor, call(governor, day), day, used=31)
    assert others(governor) == 30
    own = 1 + take_all(governor, day)
    assert 60 <= own <= 70, "with a little room for what they call until the next answer"


def test_calls_of_ours_that_come_to_the_crm_before_one_that_began_earlier_are_not_taken_for_those_of_others(governor):
    window = Window("ten_seconds", 1_000, 10.0)
    for _ in range(20):  # as long as the window is new, calls wait for each other
        call(governor, window)
    slow = call(governor, window)
    time.sleep(0.06)
    for _ in range(3):
        call(governor, window)
    hear(governor, slow, window, used=24)
    assert others(governor) == 0


def test_calls_of_ours_that_began_while_another_was_under_way_are_not_taken_for_an_empty_window(governor):
    day = Window("day", 100, HOUR)
    slow = call(governor, day)
    for _ in range(5):
        hear(governor, call(governor, day), day, used=governor.state("crm").windows[0].own)
    hear(governor, slow, day, used=1)
    assert (others(governor), governor.state("crm").windows[0].own) == (0, 6)


def test_an_answer_that_comes_late_does_not_count_others_twice(governor):
    day = Window("day", 100, HOUR)
    first, second = call(governor, day), call(governor, day)
    hear(governor, second, day, used=22)
    hear(governor, first, day, used=21)
    assert others(governor) == 20


def test_the_limit_that_the_crm_tells_counts_in_place_of_the_declared_one(governor):
    day = Window("day", 10, HOUR)
    hear(governor, call(governor, day), day, used=1, limit=30)
    assert take_all(governor, day) == 29


def test_a_limit_that_was_set_is_not_raised_by_what_the_crm_tells(governor):
    day = Window("day", 10, HOUR, is_cap=True)
    hear(governor, call(governor, day), day, used=1, limit=30)
    assert take_all(governor, day) == 9
    hear(governor, [Counted(0, 10, 0)], day, used=10, limit=5)
    assert take(governor, day).wait > 0


def test_a_day_that_the_crm_began_anew_is_begun_anew_here(governor):
    day = Window("day", 100, HOUR)
    counted = [call(governor, day) for _ in range(90)][-1]
    hear(governor, counted, day, used=3)
    assert 80 <= take_all(governor, day) <= 97


def test_a_window_that_refused_a_call_is_full_for_everybody_and_empties_as_time_passes(governor):
    second = Window("second", 20, 1.0)
    call(governor, second)
    governor.fill("crm", "second", windows=[second])
    refused = take(governor, second)
    assert 0 < refused.wait <= 1.1
    assert governor.state("crm").factor == 1, "the rate was not what was too high"
    time.sleep(1.1)
    assert take(governor, second).wait == 0


def test_calls_granted_and_not_made_can_be_made_by_others(governor):
    day = Window("day", 4, HOUR)
    granted = take(governor, day, calls=4)
    assert take(governor, day).wait > 0
    governor.give_back("crm", 3, at=granted.at, windows=[day])
    assert take_all(governor, day) == 3


def test_a_call_is_counted_from_when_it_begins_not_from_when_it_was_granted(governor):
    second = Window("second", 5, 1.0)
    granted = take(governor, second)
    time.sleep(0.6)
    assert governor.spend("crm", at=granted.at, windows=[second]) is not None
    time.sleep(0.6)
    assert governor.state("crm").windows[0].own == 1, "1.2 s after the grant it stands in the window still"


def test_a_grant_older_than_its_window_is_none_any_more(governor):
    second = Window("second", 5, 0.2)
    granted = take(governor, second)
    time.sleep(0.3)
    assert governor.spend("crm", at=granted.at, windows=[second]) is None


def test_hot_calls_come_before_bulk_ones_and_the_bulk_lane_has_its_share_all_the_same(governor):
    second = Window("second", 100, 1.0)
    granted = {HOT: 0, BULK: 0}
    ends_at = time.monotonic() + 2.0
    while time.monotonic() < ends_at:
        for lane in (BULK, HOT, HOT):  # more wait in each lane than are let through
            granted[lane] += take(governor, second, lane=lane).wait == 0
        time.sleep(0.002)
    share = granted[BULK] / sum(granted.values())
    assert 0.1 <= share < 0.5
    assert sum(granted.values()) > 120


def test_the_bulk_lane_has_all_while_no_hot_lead_waits(governor):
    assert take_all(governor, Window("day", 30, HOUR), lane=BULK) == 30


def test_a_window_set_to_another_length_still_knows_the_calls_of_before(governor):
    assert take_all(governor, Window("day", 10, HOUR)) == 10
    assert take(governor, Window("day", 10, 2 * HOUR)).wait > 0


def test_what_the_former_version_left_in_redis_does_no_harm(governor, redis_client):
    now = int(time.time() * 1_000_000)
    former = {"tokens": "5", "at": str(now), "factor": "0.5", "factor_at": str(now), "blocked_until": "0", "used": "96"}
    redis_client.hset("afluente:governor:crm", mapping=former | {"limit": "100", "usage_at": str(now)})
    day = Window("day", 10, HOUR)
    assert take_all(governor, day, lane=BULK) == 10
    assert governor.state("crm").factor == 0.5, "what it learned counts on"


def test_a_former_version_beside_this_one_shares_the_bucket_and_leaves_the_windows_alone(governor, redis_client):
    day = Window("day", 10, HOUR)
    take_all(governor, day, most=4)
    redis_client.hset("afluente:governor:crm", mapping={"tokens": "100", "at": str(int(time.time() * 1_000_000))})
    assert take_all(governor, day) == 6


def test_windows_of_a_month_are_remembered_for_a_month(governor, redis_client):
    take(governor, Window("month", 10, 30 * 86_400.0))
    assert redis_client.pttl("afluente:governor:crm") > 30 * 86_400_000
