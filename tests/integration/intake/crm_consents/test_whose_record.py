"""Whose word a CRM's record is: our id in it is believed within the destination's brands, and nobody who was erased
speaks by the record that was left there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from connectors.kit import ChangedRecord
from pipeline.privacy import erasure
from pipeline.privacy.subjects import Asked
from pipeline.settings.loading import settings
from tests.integration.delivery.test_consents_told import ADA, BEN
from tests.integration.intake.crm_consents.test_attacked import changed, take
from tests.integration.intake.crm_consents.test_reading import (
    agreed,
    company,  # noqa: F401 - a fixture
    crms,  # noqa: F401 - a fixture
    holds,
)
from tests.support.identity_rows import rows
from tests.support.services import forget_caches

NEW_ADDRESS = "ada.elsewhere@example.org"


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AFLUENTE_DATA", str(tmp_path / "data"))
    forget_caches()


def with_address(key: object, email: str, crm_id: str = "00Q1") -> ChangedRecord:
    record = changed(key, crm_id=crm_id)
    record.values["email"] = email
    return record


def statements() -> int:
    return int(rows("SELECT count(*) FROM events WHERE source = 'consents'")[0][0])


def test_our_id_of_another_brands_person_is_not_believed_where_the_destination_is_not_of_that_brand(company, crms):  # noqa: F811
    (ada,) = agreed(ADA)
    in_brands(crms, "other")
    assert take(changed(ada)) == 0
    assert holds(ada) == "granted"


def test_such_a_record_is_of_whoever_has_its_address_in_the_destinations_own_brands(company, crms):  # noqa: F811
    (ada,) = agreed(ADA)
    in_brands(crms, "other")
    assert take(with_address(ada, ADA["email"])) == 1
    assert rows("SELECT brand FROM events WHERE source = 'consents'") == [("other",)]
    assert holds(ada) == "granted"


def in_brands(crms, *brands: str) -> None:  # noqa: F811
    crms.configure(brands=list(brands))
    configure_besides(brands={name: {} for name in ("default", *brands)})
    assert settings().destinations["sales"].brands == list(brands)


def configure_besides(**more: Any) -> None:
    path = Path(os.environ["AFLUENTE_CONFIG"])
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **more}), encoding="utf-8")
    forget_caches()


def erase(person_id: UUID) -> None:
    request = erasure.erase(Asked(person_id=person_id), by="somebody")
    erasure.advance(request.request_id)
    assert rows("SELECT FROM people WHERE person_id = %s", person_id) == []


def test_the_record_of_somebody_erased_says_nothing_whatever_address_it_got_since(company, crms):  # noqa: F811
    ada, ben = agreed(ADA, BEN)
    erase(ada)
    assert take(with_address(ada, NEW_ADDRESS), with_address(ben, BEN["email"], "00Q2")) == 1
    assert holds(ben) == "withdrawn"
    assert statements() == 1
    assert rows("SELECT count(*) FROM crm_consents WHERE crm_id = '00Q1' AND person_id IS NULL") == [(0,)]


def test_an_erasure_that_nobody_approved_yet_silences_nobody(company, crms):  # noqa: F811
    (ada,) = agreed(ADA)
    configure_besides(privacy={"needs_approval": True})
    erasure.erase(Asked(person_id=ada), by="somebody")
    assert take(with_address(ada, ADA["email"])) == 1
    assert holds(ada) == "withdrawn"
