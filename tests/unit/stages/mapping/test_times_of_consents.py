"""When something was said is bounded by when it arrived: no clock that is ahead undoes a withdrawal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.records import BY_HAND, CONFIRMED, WITHDRAWAL, Consent
from pipeline.stages.mapping.consents import bound_consents

ARRIVED = datetime(2026, 3, 2, 9, tzinfo=UTC)
SOON, LATER = ARRIVED + timedelta(minutes=4), ARRIVED + timedelta(days=400)


def said(granted: bool | None, act: str | None, at: datetime | None) -> Consent:
    return Consent("marketing", "email", granted, at, act=act)


@pytest.mark.parametrize(
    ("consent", "at"),
    [
        (said(True, CONFIRMED, SOON), ARRIVED),
        (said(True, BY_HAND, SOON), ARRIVED),
        (said(True, None, SOON), SOON),
        (said(False, WITHDRAWAL, SOON), SOON),
        (said(False, None, SOON), SOON),
        (said(True, None, LATER), ARRIVED),
        (said(False, WITHDRAWAL, LATER), ARRIVED),
        (said(True, None, ARRIVED - timedelta(days=1)), ARRIVED - timedelta(days=1)),
    ],
)
def test_nothing_was_said_after_it_arrived_and_nothing_that_undoes_a_withdrawal_is_ahead(consent, at):
    (bound,) = bound_consents([consent], ARRIVED - timedelta(hours=1), ARRIVED, {})
    assert bound.at == at


def test_a_grant_without_a_time_of_a_lead_that_claims_to_be_ahead_is_of_when_it_arrived():
    (bound,) = bound_consents([said(True, CONFIRMED, None)], SOON, ARRIVED, {})
    assert bound.at == ARRIVED


def test_what_is_ahead_by_more_than_clocks_differ_is_flagged_and_no_other():
    flags: dict[str, list[str]] = {}
    bound_consents([said(True, None, SOON)], ARRIVED, ARRIVED, flags)
    assert flags == {}
    bound_consents([said(False, None, LATER)], ARRIVED, ARRIVED, flags)
    assert flags == {"consents": ["in_the_future"]}
