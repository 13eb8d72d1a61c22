"""Many workers at once on the same few people: nothing is lost, nobody is there twice, nobody waits in a circle."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import pytest

from pipeline import flow, replay
from pipeline.errors import TransientError
from pipeline.identity import resolution
from pipeline.identity.evidence_cache import EvidenceCache
from pipeline.identity.filing import FiledLeads, file_evidence
from pipeline.identity.matching.rules import identity_rules
from pipeline.identity.neighborhoods import NeighborhoodReader
from pipeline.identity.resolution import resolve
from pipeline.records import Batch, new_id
from pipeline.store.engine import transaction
from pipeline.store.identity import blocks, evidence_rows
from tests.support.people_checks import (
    accept,
    assert_all_follows,
    assert_people_are_those_of_all_evidence,
    claim,
    clusters,
    finish,
    people_by_lead,
)
from tests.support.services import forget_caches

_WORKERS = 4
_STEPS = (flow.deduplicate_batch, flow.attribute_batch, flow.load_batch)
_GIVEN = ("Ana", "Luis", "Marta", "José Luis", "Eva", "A.")
_FAMILY = ("López", "Vega", "Ruiz", "Lopes", "López Vega")


def _leads(count: int, *, seed: int) -> list[dict[str, str]]:
    """Of a few families, companies and switchboards: nearly every lead has to do with some other one."""
    dice = random.Random(seed)
    leads = []
    for place in range(count):
        given, family, company = dice.choice(_GIVEN), dice.choice(_FAMILY), dice.choice(("acme", "solarnorte", "rio"))
        mailbox = dice.choice((f"{given[0]}.{family}", "info", f"mesa{dice.randrange(3)}", family))
        leads.append(
            {
                "external_id": f"lead-{place}",
                "full_name": f"{given} {family}",
                "email": f"{mailbox}@{company}.es".lower().replace("ó", "o").replace(" ", "."),
                "phone": dice.choice(("", f"+3461234{dice.randrange(20):04d}")),
                "company": company.title(),
                "consent_email": dice.choice(("", "granted", "denied")),
                "occurred_at": f"2026-03-{dice.randrange(1, 28):02d}T10:00:00Z",
            }
        )
    return leads


def _as_a_worker_does(batch: Batch, gate: threading.Barrier | None = None) -> int:
    """All steps, each tried again as `tasks.StageTask.patiently` does. Gives how often that was needed."""
    again = 0
    if gate is not None:
        gate.wait()
    for step in _STEPS:
        for attempt in range(3):
            mine = deepcopy(batch)
            try:
                step(mine)
                break
            except TransientError:
                if attempt == 2:
                    raise
                again += 1
        batch = mine
    return again


@pytest.fixture(autouse=True)
def _many_chains_at_once(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "afluente.yaml"
    config.write_text("tuning: {in_flight_batches: 64}\n")
    monkeypatch.setenv("AFLUENTE_CONFIG", str(config))
    forget_caches()


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_workers_beside_each_other_make_the_people_that_one_makes(database: str, seed: int) -> None:
    leads = _leads(240, seed=seed)
    for brand in ("alone", "together"):
        batches = []
        for start in range(0, len(leads), 10):
            accept(leads[start : start + 10], brand=brand)
            batches += [_claimed()]
        random.Random(seed).shuffle(batches)
        if brand == "alone":
            for batch in batches:
                finish(batch)
        else:
            with ThreadPoolExecutor(_WORKERS) as workers:
                again = sum(workers.map(_as_a_worker_does, batches))
            assert again <= len(batches)
        assert_people_are_those_of_all_evidence(brand, identity_rules())
        assert_all_follows(brand)
        assert len(people_by_lead(brand)) == len(leads)
    assert clusters(people_by_lead("alone")) == clusters(people_by_lead("together"))


@pytest.mark.long
def test_strangers_who_each_share_something_with_one_person_all_become_part_of_it(database: str) -> None:
    """They share no key with each other: only the component of the person they join makes one wait for the other."""
    centre = {"full_name": "Ana López", "email": "ana.lopez@acme.es", "phone": "+34612345678", "company": "Acme"}
    around = (
        {"full_name": "Lopez", "phone": "+34612345678"},
        {"full_name": "Ana", "email": "ana.lopez@acme.es"},
        {"full_name": "", "phone": "+34612345678"},
        {"full_name": "", "email": "ana.lopez@acme.es"},
    )
    for turn in range(12):
        brand = f"brand{turn}"
        accept([{**centre, "external_id": "centre"}], brand=brand)
        finish(_claimed())
        batches = []
        for place, lead in enumerate(around):
            accept([{**lead, "external_id": f"{place}"}], brand=brand)
            batches.append(_claimed())
        gate = threading.Barrier(_WORKERS)
        with ThreadPoolExecutor(_WORKERS) as workers:
            list(workers.map(_as_a_worker_does, batches, [gate] * _WORKERS))
        assert_people_are_those_of_all_evidence(brand, identity_rules())
        assert_all_follows(brand)


def test_one_batch_given_to_every_worker_at_once_counts_once(database: str) -> None:
    """A lease ran out while its holder was only slow: both go on, and end where one alone would have."""
    accept(_leads(60, seed=4))
    batch = _claimed()
    gate = threading.Barrier(_WORKERS)
    with ThreadPoolExecutor(_WORKERS) as workers:
        list(workers.map(_as_a_worker_does, [deepcopy(batch) for _ in range(_WORKERS)], [gate] * _WORKERS))
    assert_people_are_those_of_all_evidence("default", identity_rules())
    assert_all_follows("default")


def test_who_waited_for_new_evidence_of_others_looks_again(database: str) -> None:
    """Both have filed; the one that read first, and is then overtaken, must not decide by what it read."""
    first = _filed({"external_id": "1", "full_name": "Ana López", "email": "ana.lopez@acme.es"})
    with transaction() as connection:
        key = next(iter(first[0].leads))
        known = evidence_rows.read_evidence(connection, [key])
        second = _filed(
            {"external_id": "2", "full_name": "Ana López", "email": "ana.lopez@acme.es", "phone": "+34612345678"}
        )
        with transaction() as other:
            resolve(other, second[0], replay.recompute_leads)
        stale = NeighborhoodReader(connection, EvidenceCache(), identity_rules())
        assert stale.read(known, {}) is None
    for _, batch in (first, second):
        finish(batch)
    assert len(set(people_by_lead("default").values())) == 1
    assert_all_follows("default")


def test_who_is_overtaken_while_it_waits_is_not_overtaken_by_all_who_come_meanwhile(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits before it reads the second time: then nobody can have given it notice since."""
    monkeypatch.setattr(resolution, "_ROUNDS", 2)
    lead = {"full_name": "Ana López", "email": "ana.lopez@acme.es"}
    finish(_filed({"external_id": "1", **lead})[1])
    filed, batch = _filed({"external_id": "2", "phone": "+34612345678", **lead})
    with transaction() as connection:
        (component,) = connection.exec_driver_sql("SELECT component FROM evidence WHERE person_id IS NOT NULL").one()

    def overtake(waiting: int) -> None:
        with transaction() as connection:
            blocks.lock_components(connection, [component], is_patient=True)
            _await_waiting(waiting)
            blocks.give_notice(connection, filed.leads)

    def follow() -> None:
        with transaction() as connection:
            resolve(connection, filed, replay.recompute_leads)

    with ThreadPoolExecutor(_WORKERS) as workers, transaction() as connection:
        blocks.lock_components(connection, [component], is_patient=True)
        following = workers.submit(follow)
        _await_waiting(1)
        overtaking = workers.submit(overtake, 1)
        _await_waiting(2)
        blocks.give_notice(connection, filed.leads)
        connection.commit()
        overtaking.result(timeout=30)
        following.result(timeout=30)
    finish(batch)
    assert len(set(people_by_lead("default").values())) == 1


def test_what_is_not_free_later_is_not_waited_for(database: str) -> None:
    _, batch = _filed({"external_id": "1", "full_name": "Ana López", "email": "ana.lopez@acme.es"})
    finish(batch)
    with transaction() as connection:
        component = connection.exec_driver_sql("SELECT component FROM evidence").scalar()
        assert blocks.lock_components(connection, [component], is_patient=True)
        with transaction() as other:
            assert not blocks.lock_components(other, [component], is_patient=False)


def test_a_transaction_that_needs_more_locks_than_the_server_has_takes_all_at_once(database: str) -> None:
    many = [new_id() for _ in range(5_000)]
    with transaction() as connection:
        assert blocks.lock_components(connection, many, is_patient=True)
        with transaction() as other:
            assert not blocks.lock_components(other, [new_id()], is_patient=False)


def _await_waiting(count: int) -> None:
    """Until so many wait for a component."""
    for _ in range(300):
        with transaction() as connection:
            statement = (
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            if connection.exec_driver_sql(statement).scalar() == count:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{count} do not wait")


def _claimed() -> Batch:
    batch = claim()
    assert batch is not None
    return batch


def _filed(lead: dict[str, str]) -> tuple[FiledLeads, Batch]:
    accept([lead])
    batch = _claimed()
    with transaction() as connection:
        return file_evidence(connection, batch.leads), batch
