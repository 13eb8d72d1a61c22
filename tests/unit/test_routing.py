"""Who is routed again: a known person whose new lead asks more urgently than any before."""

from __future__ import annotations

from uuid import UUID

import pytest

from pipeline.lanes import BULK, HOT
from pipeline.records import Lead, new_id
from pipeline.routing import find_returns
from tests.support.store_rows import lead_of

ANA, BEN = UUID(int=1), UUID(int=2)


def came(person_id: UUID, lane: str) -> tuple[UUID, Lead]:
    lead = lead_of(new_id())
    lead.lane = lane
    return person_id, lead


@pytest.mark.parametrize(("known", "lane", "asks"), [
    ((BULK,), HOT, True),
    ((), HOT, True),
    ((BULK,), BULK, False),
    ((HOT,), HOT, False),
    ((HOT, BULK), HOT, False),
    ((HOT,), BULK, False),
])  # fmt: skip
def test_only_more_intent_than_ever_before_asks_for_routing(known, lane, asks):
    lead = came(ANA, lane)
    assert find_returns([lead], {ANA: known}) == ([lead], {ANA: lead[1]} if asks else {})


def test_somebody_new_neither_returns_nor_asks():
    assert find_returns([came(ANA, HOT)], {}) == ([], {})


def test_a_second_lead_of_somebody_new_returns_and_asks_for_nothing():
    first, second = came(ANA, BULK), came(ANA, HOT)
    assert find_returns([second, first], {}) == ([second], {})


def test_the_first_urgent_lead_asks_and_the_others_only_return():
    calm, urgent, urgent_too = came(ANA, BULK), came(ANA, HOT), came(ANA, HOT)
    other = came(BEN, HOT)
    returns = find_returns([urgent_too, other, urgent, calm], {ANA: {BULK}, BEN: {HOT}})
    assert returns.returned == [calm, urgent, urgent_too, other]
    assert returns.asking == {ANA: urgent[1]}
