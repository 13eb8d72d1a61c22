"""The only test a new source needs, and it is already written: declare it, and it is checked."""

from __future__ import annotations

import pytest

from connectors.kit.conformance import CHECKS
from pipeline.authoring.conformance_cases import discover_cases


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", discover_cases(), ids=lambda case: case.source)
def test_connector_conforms(case, check):
    assert check(case) == []
