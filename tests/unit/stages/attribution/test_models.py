"""Credit per touch, by model: the sums that marketers check by hand, and what holds whatever the touches are."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import PathTouch
from pipeline.stages.attribution.channels import CHANNELS
from pipeline.stages.attribution.models import MODELS, credits, tabulate  # noqa: A004 - as the module names it

START = datetime(2025, 3, 1, tzinfo=UTC)
D, S, E, R = "Direct", "Paid Search", "Email", "Referral"


def touch(day: float, channel: str = S, *, event: int | None = None, position: int = 0, name: str = "") -> PathTouch:
    at = START + timedelta(days=day)
    return PathTouch(at, UUID(int=int(day * 1000) if event is None else event), position, channel, name or channel)


def path(*channels: str) -> list[PathTouch]:
    """A touch a day."""
    return [touch(day, channel) for day, channel in enumerate(channels)]


# model, channels of the touches (a day apart), credit of each
WORKED = [
    ("first", [S], [1]),
    ("first", [S, E], [1, 0]),
    ("first", [D, S, E], [1, 0, 0]),
    ("first", [S, S, S, S], [1, 0, 0, 0]),
    ("last", [D], [1]),
    ("last", [S, E], [0, 1]),
    ("last", [S, E, D], [0, 0, 1]),
    ("last", [E, E, E, E], [0, 0, 0, 1]),
    ("last_non_direct", [D], [1]),
    ("last_non_direct", [D, D], [0, 1]),
    ("last_non_direct", [S, D], [1, 0]),
    ("last_non_direct", [S, E, D, D], [0, 1, 0, 0]),
    ("last_non_direct", [D, S, D, E], [0, 0, 0, 1]),
    ("last_non_direct", [D, D, R, D], [0, 0, 1, 0]),
    ("linear", [S], [1]),
    ("linear", [S, D], [0.5, 0.5]),
    ("linear", [S, E, R], [1 / 3, 1 / 3, 1 / 3]),
    ("linear", [S, E, R, D], [0.25, 0.25, 0.25, 0.25]),
    ("linear", [S] * 10, [0.1] * 10),
    ("position_based", [S], [1]),
    ("position_based", [S, E], [0.5, 0.5]),
    ("position_based", [S, E, R], [0.4, 0.2, 0.4]),
    ("position_based", [S, E, R, D], [0.4, 0.1, 0.1, 0.4]),
    ("position_based", [S, E, R, D, S, E], [0.4, 0.05, 0.05, 0.05, 0.05, 0.4]),
    ("time_decay", [S], [1]),
    ("time_decay", [S, E], [2 ** (-1 / 7) / (1 + 2 ** (-1 / 7)), 1 / (1 + 2 ** (-1 / 7))]),
]


@pytest.mark.parametrize(("model", "channels", "expected"), WORKED)
def test_a_model_divides_as_its_definition_says(model, channels, expected):
    assert credits(model, path(*channels)) == pytest.approx(expected)


# days of the touches, half-life, credit of each
DECAY = [
    ([0, 7], 7, [1 / 3, 2 / 3]),
    ([0, 7, 14], 7, [1 / 7, 2 / 7, 4 / 7]),
    ([0, 14], 7, [1 / 5, 4 / 5]),
    ([0, 1], 1, [1 / 3, 2 / 3]),
    ([0, 0.5], 0.5, [1 / 3, 2 / 3]),
    ([0, 30, 60], 30, [1 / 7, 2 / 7, 4 / 7]),
    ([0, 0, 0], 7, [1 / 3, 1 / 3, 1 / 3]),
    ([0, 7, 7], 7, [1 / 5, 2 / 5, 2 / 5]),
    ([0, 3_650], 0.001, [0, 1]),  # older by more halves than a float has
    ([0, 365], 1e12, [0.5, 0.5]),
]


@pytest.mark.parametrize(("days", "half_life", "expected"), DECAY)
def test_time_decay_halves_with_every_half_life_before_the_last_touch(days, half_life, expected):
    touches = [touch(day, event=number) for number, day in enumerate(days)]
    assert credits("time_decay", touches, half_life_days=half_life) == pytest.approx(expected)


# model, channels, credit of each with --ignore-direct
WITHOUT_DIRECT = [
    ("first", [D, S, E], [0, 1, 0]),
    ("first", [D, D], [1, 0]),
    ("last", [S, E, D], [0, 1, 0]),
    ("linear", [D, S, D, E], [0, 0.5, 0, 0.5]),
    ("linear", [D, D], [0.5, 0.5]),
    ("position_based", [D, S, E, R, D], [0, 0.4, 0.2, 0.4, 0]),
    ("position_based", [S, D, E], [0.5, 0, 0.5]),
    ("time_decay", [D, S, D], [0, 1, 0]),
    ("last_non_direct", [S, D], [1, 0]),
]


@pytest.mark.parametrize(("model", "channels", "expected"), WITHOUT_DIRECT)
def test_direct_gets_nothing_where_it_is_ignored_and_something_else_is_there(model, channels, expected):
    assert credits(model, path(*channels), ignore_direct=True) == pytest.approx(expected)


def test_touches_of_one_moment_go_by_their_event_and_then_by_their_place_in_it():
    same = [touch(0, event=2), touch(0, event=1, position=1), touch(0, event=1)]
    assert credits("first", same) == [0, 0, 1]
    assert credits("last", same) == [1, 0, 0]


def test_nobody_without_touches_gets_credit():
    assert [credits(model, []) for model in MODELS] == [[]] * len(MODELS)


@pytest.mark.parametrize("half_life", [0, -1, float("nan"), float("inf")])
def test_a_half_life_that_is_none_is_refused(half_life):
    with pytest.raises(ValueError, match="half-life"):
        credits("time_decay", path(S, E), half_life_days=half_life)


def test_an_unknown_model_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="'lineal' is not a model; allowed: first, last, last_non_direct, linear"):
        credits("lineal", path(S))


def paths_of_any_shape() -> st.SearchStrategy[list[PathTouch]]:
    moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
    # Keys are unique as they are in the database: an event's touch has its place in it.
    keys = st.tuples(st.integers(0, 30), st.integers(0, 3))
    return st.lists(
        st.builds(
            lambda at, key, channel, name: PathTouch(at, UUID(int=key[0]), key[1], channel, name),
            moments,
            keys,
            st.sampled_from(CHANNELS),
            st.sampled_from(["a", "A", "b ", "B", "ß", "SS", "(not set)"]),
        ),
        min_size=1,
        max_size=30,
        unique_by=lambda one: (one.event_id, one.position),
    )


half_lives = st.floats(0, exclude_min=True, allow_infinity=False)


@given(paths_of_any_shape(), st.sampled_from(MODELS), half_lives, st.booleans())
def test_credit_is_divided_whole_and_nobody_owes(touches, model, half_life, ignore):
    found = credits(model, touches, half_life_days=half_life, ignore_direct=ignore)
    assert len(found) == len(touches)
    assert sum(found) == pytest.approx(1, abs=1e-9)
    assert all(0 <= share <= 1 for share in found)


@given(paths_of_any_shape(), st.sampled_from(MODELS), half_lives, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_in_which_touches_are_handed_over_does_not_matter(touches, model, half_life, ignore, dice):
    said = {"half_life_days": half_life, "ignore_direct": ignore}
    shuffled = dice.sample(touches, len(touches))
    assert dict(zip(touches, credits(model, touches, **said), strict=True)) == dict(
        zip(shuffled, credits(model, shuffled, **said), strict=True)
    )


@given(paths_of_any_shape(), half_lives)
def test_under_time_decay_no_touch_counts_more_than_a_later_one(touches, half_life):
    shares = credits("time_decay", touches, half_life_days=half_life)
    in_order = [share for _, share in sorted(zip(touches, shares, strict=True))]
    assert in_order == sorted(in_order)


@given(st.lists(paths_of_any_shape(), max_size=12), st.booleans())
def test_the_credits_of_a_table_add_up_to_its_people_in_every_model(paths, ignore):
    table = tabulate(paths, MODELS, ignore_direct=ignore)
    assert table.people == len(paths)
    assert table.touches == sum(row.touches for row in table.rows) == sum(map(len, paths))
    for model in MODELS:
        assert sum(row.credits[model] for row in table.rows) == pytest.approx(table.people, abs=1e-6)


@given(st.lists(paths_of_any_shape(), max_size=8), st.randoms(use_true_random=False))
def test_a_table_is_the_same_in_whatever_order_people_come(paths, dice):
    one = tabulate(paths, ["linear"])
    other = tabulate(dice.sample(paths, len(paths)), ["linear"])
    assert {row.name: (row.people, row.touches) for row in one.rows} == {
        row.name: (row.people, row.touches) for row in other.rows
    }


def test_names_that_differ_in_case_are_one_row_under_the_most_frequent_spelling():
    spellings = ["Spring_Sale", "spring_sale", "SPRING_SALE ", "Spring_Sale", "Other"]
    table = tabulate([[touch(0, name=name)] for name in spellings], ["last"])
    assert [(row.name, row.credits["last"], row.people, row.touches) for row in table.rows] == [
        ("Spring_Sale", 4, 4, 4),
        ("Other", 1, 1, 1),
    ]


def test_equally_frequent_spellings_give_the_same_name_in_any_order():
    names = ["Sale", "sale", "SALE"]
    found = {
        tabulate([[touch(0, name=name)] for name in random.sample(names, 3)], ["last"]).rows[0].name for _ in "abc"
    }
    assert found == {"SALE"}


def test_a_row_counts_people_once_and_touches_each_time():
    table = tabulate([path(S, E, S), path(S)], ["linear", "first"])
    rows = {row.name: row for row in table.rows}
    assert (rows[S].people, rows[S].touches, rows[E].people, rows[E].touches) == (2, 3, 1, 1)
    assert rows[S].credits == pytest.approx({"linear": 2 / 3 + 1, "first": 2})
    assert (table.people, table.touches) == (2, 4)


def test_the_row_with_most_credit_stands_on_top():
    table = tabulate([path(S, E), path(R, E), path(R, S)], ["last", "first"])
    assert [row.name for row in table.rows] == [E, S, R]


def test_no_people_make_an_empty_table():
    table = tabulate([], MODELS)
    assert (table.people, table.touches, table.rows) == (0, 0, ())
