"""Retention by withdrawal takes whoever took back the consent on which their data lie, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import ConfigurationError
from pipeline.privacy.retention.preview import preview
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from tests.support.identity_rows import rows
from tests.support.retention_runs import approve, go, rule

MONTHS = {month: f"2025-{month:02}-01T00:00:00Z" for month in range(1, 10)}


def says(purpose: str, channel: str, granted: bool | None, month: int, **more: Any) -> dict[str, Any]:
    return {"purpose": purpose, "channel": channel, "granted": granted, "at": MONTHS[month], **more}


STOP = {"act": "withdrawal"}
YES, NO = says("marketing", "email", True, 1), says("marketing", "email", False, 3)
STAYS = {
    "one_purpose_refused_on_a_form": [says("marketing", "email", False, 2)],
    "a_phone_opt_out_of_what_nobody_agreed_to": [YES, says("marketing", "phone", False, 3, **STOP)],
    "a_withdrawal_before_the_tick": [{**NO, **STOP}, says("marketing", "email", True, 4)],
    "another_purpose_is_agreed_to": [YES, NO, says("newsletter", "email", True, 1)],
    "another_channel_is_agreed_to": [YES, NO, says("marketing", "post", True, 1)],
    "a_contract_is_named_as_basis": [YES, NO, says("service", "any", None, 2, legal_basis="Contract")],
    "what_was_granted_ended_by_itself": [says("marketing", "email", True, 1, expires_at=MONTHS[2])],
}  # fmt: skip
GOES = {
    "the_last_consent_was_taken_back": [YES, NO],
    "by_an_act": [YES, says("marketing", "email", False, 3, **STOP)],
    "from_every_channel": [YES, says("marketing", "phone", True, 2), says("marketing", "any", False, 3, **STOP)],
    "a_basis_of_consent": [{**YES, "legal_basis": "consentimiento"}, NO],
    "another_grant_has_ended": [YES, NO, says("newsletter", "email", True, 1, expires_at=MONTHS[2])],
}  # fmt: skip


def name_of(number: int) -> dict[str, str]:
    return {"email": f"person{number}@example.org"}


def come(installation, number: int, said: list[dict[str, Any]]):
    """Each answer comes with a post of its own, at the time at which it was said."""
    for place, answer in enumerate(said):
        person_id = installation.person(
            {**name_of(number), "consents": [answer], "occurred_at": answer["at"], "external_id": f"{number}-{place}"}
        )
    return person_id


def test_only_who_took_their_consent_back_goes(installation):
    stay = {name: come(installation, number, said) for number, (name, said) in enumerate(STAYS.items())}
    go_away = {name: come(installation, 50 + number, said) for number, (name, said) in enumerate(GOES.items())}
    approve(installation, rule("people", "30d", start="withdrawal"))
    with transaction() as connection:
        assert [(found.going, found.kept) for found in preview(connection).going] == [(len(GOES), 0)]
    assert go(days=0) == {"people": len(GOES)}
    left = {person_id for (person_id,) in rows("SELECT person_id FROM people")}
    assert {name for name, person_id in stay.items() if person_id not in left} == set()
    assert {name for name, person_id in go_away.items() if person_id in left} == set()


def test_a_rule_that_names_a_purpose_looks_at_that_one(installation):
    newsletter = come(installation, 1, [says("newsletter", "email", True, 1), says("newsletter", "email", False, 3)])
    come(installation, 2, [YES, NO])
    approve(installation, rule("people", "30d", start="withdrawal", purpose="marketing"))
    assert go(days=0) == {"people": 1}
    assert rows("SELECT person_id FROM people") == [(newsletter,)]


def test_who_asks_for_something_after_the_withdrawal_stays(installation):
    ada = come(installation, 1, [YES, NO])
    assert installation.person({**name_of(1), "message": "please call", "external_id": "again"}) == ada
    approve(installation, rule("people", "30d", start="withdrawal"))
    assert go(days=0) == {}


def test_a_purpose_is_named_beside_a_withdrawal_alone(installation):
    installation.configure(retention=[rule("people", "3d", purpose="marketing")])
    with pytest.raises(ConfigurationError, match=r"purpose: is that of a consent taken back"):
        settings()
    installation.configure(retention=[rule("bodies", "3d", purpose="marketing")])
    with pytest.raises(ConfigurationError, match="rules of bodies do not know it"):
        settings()
