"""Which silence is unusual for a source: learned from when it was heard, whatever its hours, days and numbers are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.health.silence.rhythm import learn
from tests.support.rhythms import (
    DAY,
    WEEK,
    always,
    at,
    evenings,
    false_notices,
    heard_minutes,
    hours_of,
    office_hours,
    said_after,
)

HOUR = 60
FIFTH_MONDAY = 4 * WEEK


def last_before(heard: list[int], minute: int) -> int:
    return max(each for each in heard if each <= minute)


@pytest.mark.parametrize("pattern", [always, office_hours, evenings])
def test_a_source_of_two_hundred_leads_a_day_that_falls_silent_at_noon_is_said_within_two_hours(pattern):
    heard = heard_minutes(pattern, 1_400, 5)
    last = last_before(heard, FIFTH_MONDAY + 12 * HOUR)
    assert said_after(heard, last, 4 * HOUR) <= 2 * HOUR


def test_no_silence_of_less_than_a_quarter_of_an_hour_is_said_however_much_comes():
    heard = heard_minutes(always, 100_000, 2)
    assert said_after(heard, heard[-1], HOUR) == 15


def test_a_source_of_three_leads_a_week_is_not_said_at_night_nor_after_a_week_but_after_a_month():
    heard = heard_minutes(always, 3, 12)
    assert said_after(heard, heard[-1], 12 * HOUR) is None
    assert said_after(heard, heard[-1], WEEK) is None
    assert WEEK < said_after(heard, heard[-1], 5 * WEEK) < 5 * WEEK


def test_nights_and_weekends_of_who_works_by_day_are_no_silence():
    heard = [minute for minute in heard_minutes(office_hours, 1_000, 5) if office_hours(at(minute)) == 1]
    friday_evening = last_before(heard, FIFTH_MONDAY + 4 * DAY + 18 * HOUR)
    assert said_after(heard, friday_evening, 2 * DAY + 12 * HOUR) is None
    said = said_after(heard, friday_evening, 4 * DAY)
    assert at(friday_evening + said).weekday() == 0, "on Monday morning it is said"
    assert at(friday_evening + said).hour < 10


def test_nothing_is_said_of_a_new_source_before_it_was_heard_twenty_times_in_three_days():
    heard = heard_minutes(always, 1_400, 1)
    assert said_after(heard, last_before(heard, 2 * DAY), DAY) is None
    assert said_after(heard, last_before(heard, 4 * DAY), DAY) is not None
    assert said_after(heard[::60], last_before(heard[::60], 4 * DAY), DAY) is None


def test_the_first_weekend_of_a_new_source_is_waited_through_because_nobody_knows_it():
    heard = [minute for minute in heard_minutes(office_hours, 1_400, 1) if minute < 5 * DAY]
    assert said_after(heard, heard[-1], 2 * DAY) is None


def test_a_file_that_comes_each_morning_is_missed_after_some_days_and_not_after_one():
    heard = [day * DAY + 6 * HOUR + day % 7 for day in range(28)]
    assert said_after(heard, heard[-1], 2 * DAY) is None
    assert said_after(heard, heard[-1], 10 * DAY) <= 4 * DAY


def test_hours_in_which_we_were_not_there_are_not_learned_as_quiet_and_not_waited_through():
    def is_up(minute: int) -> bool:
        return not 10 <= minute // HOUR % 24 < 16

    whole = heard_minutes(always, 1_400, 4)
    heard = [minute for minute in whole if is_up(minute)]
    last = heard[-1]
    halved = learn(hours_of(heard, last, watched=is_up), at(last))
    assert halved.mean == pytest.approx(learn(hours_of(whole, last), at(last)).mean, rel=0.1)
    away = hours_of([], last + 2 * DAY, watched=lambda minute: minute <= last)
    assert halved.first_unusual([hour.after(at(last)) for hour in away]) is None


def test_a_campaign_that_runs_out_is_said_a_few_times_and_then_is_the_rhythm():
    before = heard_minutes(office_hours, 1_400, 5)
    after = heard_minutes(office_hours, 35, 4, seed=2)
    heard = before + [5 * WEEK + minute for minute in after]
    assert false_notices(heard, 9, learned=5 * WEEK) <= 2
    assert false_notices(heard, 9, learned=6 * WEEK) == 0


@given(
    st.sampled_from([always, office_hours, evenings]),
    st.sampled_from([10, 50, 300, 1_400, 5_000]),
    st.integers(0, 1_000),
)
def test_a_silence_goes_on_being_unusual_and_is_said_sooner_the_more_is_missed(pattern, a_week, seed):
    heard = heard_minutes(pattern, a_week, 4.5, seed=seed)
    said = said_after(heard, heard[-1], 12 * WEEK)
    assert said is not None
    assert said >= 15
    assert said_after(heard, heard[-1], said + DAY) == said
    assert said_after(heard, heard[-1], said - 1) is None


@pytest.mark.long
@pytest.mark.parametrize("pattern", [always, office_hours, evenings])
@pytest.mark.parametrize("uneven", [None, 2.0])
def test_of_sources_that_are_well_there_is_one_false_notice_in_five_months_at_most(pattern, uneven):
    notices, months = 0, 0.0
    for a_week in (3, 20, 100, 1_400):
        weeks, learning = (26, 12) if a_week < 20 else (10, 5)
        for seed in range(3):
            heard = heard_minutes(pattern, a_week, weeks, seed=seed, uneven=uneven)
            notices += false_notices(heard, weeks, learned=learning * WEEK)
            months += (weeks - learning) * 7 / 30
    print(f"{notices} in {months:.0f} months")  # what decision 33 quotes
    assert notices / months <= 1 / 5
