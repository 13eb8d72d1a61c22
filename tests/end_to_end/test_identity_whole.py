"""The running system, with several workers: the same leads in any order are the people of all leads at once."""

from __future__ import annotations

import json
import random

import pytest

from benchmarks.identity import at_once, clusters, people_of
from tests.support.system import System

pytestmark = pytest.mark.long  # a whole system, for a minute

_ORDERS = ("first", "second", "third")  # each in a brand of its own: brands have people of their own
# Batches of a few leads: every worker has some of each import, and meets the people of the others.
_CONFIG = "brands: {first: {}, second: {}, third: {}}\ntuning: {batch_size: 25, in_flight_batches: 8}\n"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((2, 900, _ORDERS), id="2 workers"),
        pytest.param((4, 900, _ORDERS), id="4 workers"),
    ],
)
def arrivals(request):
    """How many workers, how many leads, in which orders."""
    return request.param


@pytest.fixture(scope="module")
def system(arrivals, tmp_path_factory):
    data = tmp_path_factory.mktemp("identity") / "data"
    data.mkdir()
    (data / "afluente.yaml").write_text(_CONFIG)
    workers, *_ = arrivals
    with System(data, workers=workers, asks_here=True) as running:
        yield running


def test_any_order_of_arrival_gives_the_same_people(system, arrivals, tmp_path):
    _, count, orders = arrivals
    leads = _leads(count)
    expected = frozenset(clusters(at_once(leads)))
    assert sum(map(len, expected)) == len(leads)
    assert len(expected) < 0.6 * len(leads)
    for seed, brand in enumerate(orders):
        shuffled = list(leads)
        random.Random(seed).shuffle(shuffled)
        file = tmp_path / f"{brand}.jsonl"
        file.write_text("".join(json.dumps(lead) + "\n" for lead in shuffled))
        done = system.json("import", str(file), "--source", "api", "--brand", brand, "--wait")
        assert done["accepted"] == len(leads)
        assert frozenset(clusters(people_of(system, brand))) == expected


def _leads(count: int) -> list[dict[str, str]]:
    """About three leads a person; companies with mailboxes and switchboards that show to be shared as leads come in."""
    dice = random.Random(5)
    leads = []
    for place in range(count):
        person = dice.randrange(count // 3)
        own = random.Random(person)
        given, family = own.choice(("Ana", "Luis", "Marta", "Eva")), own.choice(("López", "Vega", "Ruiz", "Sanz"))
        company = own.choice(("acme", "solarnorte", "riomar", "")) + str(person % 60)
        mailbox = dice.choice((f"{given}.{family}", f"{given}.{family}", "info", "mesa")) + "@" + company
        lead = {
            "external_id": f"lead-{place}",
            "full_name": dice.choice((f"{given} {family}", f"{family}, {given}", f"{given[0]}. {family}", given)),
            "company": company.title(),
        }
        if dice.random() < 0.7:
            lead["email"] = f"{mailbox}.es".lower().replace("ó", "o")
        if dice.random() < 0.7 or "email" not in lead:
            lead["phone"] = f"+346{own.randrange(10**8):08d}" if dice.random() < 0.6 else f"+3491{person % 60:07d}"
        leads.append(lead)
    return leads
