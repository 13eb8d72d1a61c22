"""How long an import that is waited for is left alone between two looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.inspection.import_progress import Look, pause_seconds

LOOKS = st.builds(Look, st.integers(0, 1_000_000), st.just(0)) | st.builds(Look, st.just(0), st.integers(0, 1_000_000))


def test_looking_takes_a_fortieth_of_the_time_while_the_end_is_far():
    assert pause_seconds(Look(90_000, 0), Look(91_000, 0), look_took=0.05, between=2.0) == 2.0


def test_looks_come_closer_together_towards_the_end():
    assert pause_seconds(Look(500, 0), Look(1_500, 0), look_took=0.05, between=2.0) == 0.5
    assert pause_seconds(Look(0, 500), Look(0, 1_500), look_took=0.05, between=2.0) == 0.5


def test_once_all_events_have_ended_their_deliveries_are_looked_for_soon():
    assert pause_seconds(Look(0, 400), Look(900, 0), look_took=0.1, between=2.0) == 0.2


def test_where_nothing_moves_looks_stay_seldom():
    assert pause_seconds(Look(0, 400), Look(0, 400), look_took=0.05, between=2.0) == 2.0
    assert pause_seconds(Look(500, 0), Look(400, 0), look_took=0.05, between=2.0) == 2.0


@given(LOOKS, st.none() | LOOKS, st.floats(0, 10), st.floats(0, 100))
def test_there_is_always_a_pause_and_never_a_long_one(look, former, look_took, between):
    assert 0.2 <= pause_seconds(look, former, look_took=look_took, between=between) <= 5.0
