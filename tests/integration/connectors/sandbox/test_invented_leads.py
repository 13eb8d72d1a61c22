"""Leads made after the typical sample of a source: each is somebody else, under an id of its own, at its own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.kit import Webhook, sources
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.samples import samples_of
from connectors.sandbox.providers.holding import hold
from connectors.sandbox.providers.invented import Inventor
from connectors.sandbox.providers.provider import Provider
from pipeline.intake.posted.records import read_posted

AT = datetime(2026, 4, 7, 15, 30, tzinfo=UTC)
POSTED = sorted(slug for slug, connector in sources().items() if isinstance(connector.intake, Webhook))


@pytest.mark.parametrize("source", POSTED)
def test_each_lead_is_known_by_an_id_of_its_own_and_comes_at_its_own_time(source):
    inventor = Inventor(sources()[source], seed=3)
    times = [AT + timedelta(hours=number) for number in range(4)]
    leads = [inventor.lead(number, at) for number, at in enumerate(times)]
    posted = [read_posted(inventor.connector, lead.body, inventor.content_type, header_value=None) for lead in leads]
    records = [record for body in posted for record in body]
    assert len({record.digest for record in records}) == len(records) == 4
    if inventor.connector.occurred_at is not None:
        told = [record.occurred_at for record in records]
        assert [abs((at - moment).total_seconds()) < 1 for at, moment in zip(times, told, strict=True)] == [True] * 4


@pytest.mark.parametrize("source", POSTED)
def test_nobody_of_the_sample_is_left_in_an_invented_lead(source):
    inventor = Inventor(sources()[source])
    lead = inventor.lead(1, AT)
    said = f"{lead.body.decode()} {lead.fetched}".lower()
    (typical,) = [sample for sample in samples_of(source) if sample.name == "typical"]
    for name in ("email", "phone"):
        value = typical.expected[0].get(name)
        assert value is None or str(value).lower() not in said


def test_the_same_seed_makes_the_same_leads_and_another_one_other_people():
    connector = sources()["typeform"]
    first, again, other = (Inventor(connector, seed=seed).lead(5, AT) for seed in (1, 1, 2))
    assert first == again
    assert (first.id == other.id, first.body == other.body) == (False, False)


@pytest.mark.parametrize("source", [slug for slug in POSTED if fetch_of(sources()[slug]) is not None])
def test_what_a_source_has_under_an_id_is_of_the_same_lead(source):
    inventor = Inventor(sources()[source])
    one, two = (inventor.lead(number, AT) for number in (1, 2))
    assert one.fetched != two.fetched
    assert f"{source}.0.1" in str(one.fetched)
    assert f"{source}.0.2" in str(two.fetched)
    provider = Provider(source)
    hold(provider, inventor, [one, two])
    held = [record for path, record in provider.records.items() if record in (one.fetched, two.fetched)]
    assert len(held) == 2


def test_several_leads_stand_in_one_body_where_the_source_has_lists():
    inventor = Inventor(sources()["meta_lead_ads"])
    leads = [inventor.lead(number, AT) for number in range(3)]
    assert inventor.takes_many
    records = read_posted(
        inventor.connector, inventor.body_of([lead.record for lead in leads]), inventor.content_type, header_value=None
    )
    assert [record.shown_id for record in records] == [lead.id for lead in leads]


def test_bodies_that_say_beside_their_list_who_writes_hold_one_lead_each():
    inventor = Inventor(sources()["whatsapp_cloud"])
    assert not inventor.takes_many
    assert inventor.lead(1, AT).body.count(b"12015550101") == 2  # in the message, and in the list of who writes
