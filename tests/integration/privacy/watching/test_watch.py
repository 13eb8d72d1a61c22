"""What runs each minute in the node `ops`: a fault of one part keeps none of the others from their work."""

from __future__ import annotations

import pytest

from pipeline.privacy import erasure, lapses
from pipeline.privacy.erasing import steps
from pipeline.privacy.subjects import Asked
from pipeline.store.engine import StoreError
from pipeline.tasks import watch
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA, BEA


def test_an_erasure_that_cannot_go_on_keeps_no_other_waiting(installation, monkeypatch):
    requests = [
        erasure.erase(Asked(person_id=installation.person(person)), by="vera").request_id for person in (ADA, BEA)
    ]
    real = steps.scan

    def scan(request_ids):
        if requests[0] in request_ids:
            raise StoreError
        real(request_ids)

    monkeypatch.setattr(steps, "scan", scan)
    assert erasure.upkeep() == 2
    states = dict(rows("SELECT request_id, state FROM privacy_requests"))
    assert states[requests[0]] == "erasing"
    assert states[requests[1]] != "erasing"


@pytest.mark.parametrize("error", [StoreError, ValueError])
def test_a_fault_in_the_erasures_does_not_stop_the_watch(installation, monkeypatch, error):
    def upkeep():
        raise error

    swept = []
    monkeypatch.setattr(erasure, "upkeep", upkeep)
    monkeypatch.setattr(lapses, "sweep_lapsed", lambda: swept.append(1))
    assert watch() == 0
    assert swept == [1]
