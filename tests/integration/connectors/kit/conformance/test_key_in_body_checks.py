"""The check of signatures, for a source that proves itself by a key in its body: what it asks, and that it can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.kit import KeyInBody, Secret, sources
from connectors.kit.conformance import signature_is_checked
from pipeline.authoring.conformance_cases import make_case


class TakesAnyKey(KeyInBody):
    def verify(self, **_):
        return True


class ReadsAnotherKey(KeyInBody):
    def write_key(self, secret: str, body: bytes) -> bytes:
        return body


def problems_of(scheme: KeyInBody) -> list[str]:
    shipped = sources()["google_ads_lead_form"]
    return signature_is_checked(make_case(replace(shipped, intake=replace(shipped.intake, signature=scheme))))


def test_a_key_in_its_place_passes():
    assert problems_of(KeyInBody("google_key", Secret("GOOGLE_ADS_LEAD_FORM_KEY"))) == []


@pytest.mark.parametrize(
    ("scheme", "problems"),
    [
        (TakesAnyKey, ["another key is accepted", "a body without the key is accepted"]),
        (ReadsAnotherKey, ["its own key is refused"]),
    ],
)
def test_a_scheme_that_takes_any_key_or_not_its_own_is_found(scheme, problems):
    assert problems_of(scheme("google_key", Secret("GOOGLE_ADS_LEAD_FORM_KEY"))) == problems
