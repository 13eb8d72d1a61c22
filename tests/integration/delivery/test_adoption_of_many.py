"""Twenty thousand people whom a CRM has before us, half of whom come as leads, two hundred of whom it has twice."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.delivery.writers import close_writer
from pipeline.inspection.crm.adoptions import adopt, read_pairs
from tests.integration.delivery.test_adoption import deliveries, send
from tests.support.command_line import capture, work
from tests.support.crm_before_us import Before, Known, lead, open_before, people_of, person
from tests.support.identity_rows import rows
from tests.support.tryton import PASSWORD, USER, Tryton, needs_tryton, running_tryton

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_800)]

PEOPLE, TWICE = {"hubspot": 4_000, "sql": 20_000}, 200  # a hundred a call take HubSpot minutes


@pytest.fixture(params=["hubspot", "sql"])
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Before]:
    yield from open_before(request, tmp_path, monkeypatch)


def _adopt() -> None:
    adopt("crm")


def adopt_killed(pages: int) -> None:
    """An adoption whose process is killed after some pages."""
    process = multiprocessing.get_context("fork").Process(target=_adopt)
    process.start()
    while not rows("SELECT FROM crm_adoptions WHERE pages >= %s", pages):
        assert process.is_alive()
        time.sleep(0.02)
    process.kill()
    process.join()


def test_of_many_nobody_is_made_twice_though_the_adoption_was_killed(crm):
    people = PEOPLE[getattr(crm, "kind", "sql")]
    crm.fill(people_of(people, TWICE))
    before = crm.records()
    adopt_killed(20)
    adopted = adopt("crm")
    assert adopted.resumed >= 20
    assert (adopted.counts.records, adopted.counts.pairs) == (people + TWICE, TWICE)
    for start in range(0, people // 2, 1_000):
        capture(*(lead(number) for number in range(start, start + 1_000)))
    work()
    send()
    assert deliveries() == [("sent", people // 2)]
    after = crm.records()
    assert len(after) == len(before), "no second record"
    owners = {str(owner) for (owner,) in rows("SELECT person_id FROM people")}
    assert owners <= {key for key, _ in after.values()}
    again = adopt("crm")
    assert (again.counts.pairs, again.counts.keyed, again.changed) == (TWICE, people // 2, [])
    assert read_pairs("crm", limit=1_000).people == TWICE


class TrytonBefore(Before):
    """Parties that somebody else made, with numbers of Tryton's."""

    def __init__(self, tryton: Tryton, config: Any) -> None:
        self.tryton = tryton
        super().__init__(
            config,
            kind="tryton",
            base_url=tryton.url,
            secrets={"user": "env:TRYTON_USER", "password": "env:TRYTON_PASSWORD"},
            options={"database": "crm"},
            timeout_seconds=120,
        )

    def fill(self, people: list[Known]) -> None:
        for start in range(0, len(people), 200):
            parties = []
            for known in people[start : start + 200]:
                told = [("email", known.email), ("phone", known.phone)]
                mechanisms = [{"type": kind, "value": value} for kind, value in told if value]
                name = f"{known.first} {known.last}"
                parties.append({"name": name, "contact_mechanisms": [["create", mechanisms]]})
            self.tryton.rpc("model.party.party.create", parties, self.tryton.context)


@pytest.fixture
def tryton(database, redis_url, tmp_path, monkeypatch) -> Iterator[TrytonBefore]:
    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    monkeypatch.setenv("TRYTON_USER", USER)
    monkeypatch.setenv("TRYTON_PASSWORD", PASSWORD)
    with running_tryton(tmp_path / "tryton") as running:
        yield TrytonBefore(running, tmp_path / "afluente.yaml")
        close_writer("crm")


@needs_tryton
def test_in_a_real_tryton_who_is_known_keeps_the_party_and_gets_our_opportunity(tryton):
    people, twice = 2_000, 200
    tryton.fill(people_of(people, twice))
    parties = tryton.tryton.all("party.party", "code", "name")
    adopt_killed(2)
    adopted = adopt("crm")
    assert (adopted.counts.pairs, adopted.resumed >= 2) == (twice, True)
    capture(*(lead(number) for number in range(people // 2)))
    work()
    send()
    assert deliveries() == [("sent", people // 2)]
    assert tryton.tryton.all("party.party", "code", "name") == parties, "none is new, and all keep their number"
    made = tryton.tryton.all("sale.opportunity", "reference", "party.name")
    assert {row["reference"] for row in made} == {str(owner) for (owner,) in rows("SELECT person_id FROM people")}
    names = sorted(row["party."]["name"] for row in made)
    assert names == sorted(f"{person(n).first} {person(n).last}" for n in range(people // 2))
    assert adopt("crm").counts.pairs == twice
