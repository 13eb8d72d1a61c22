"""The test that a new kind of CRM gets by being there: every check, over a real socket."""

from __future__ import annotations

import pytest

from connectors.kit import destination_types
from connectors.kit.conformance.destinations import CHECKS, run_check
from connectors.sandbox.dialects import dialects
from tests.support.workbenches import ELSEWHERE, OTHERS, workbench_of

KINDS = [kind for kind in sorted(destination_types()) if kind not in ELSEWHERE]
IN_THE_SHORT_RUN = ("salesforce", "sql")  # an API and a database


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=() if kind in IN_THE_SHORT_RUN else pytest.mark.long) for kind in KINDS],
)
def bench(request, services, tmp_path_factory):
    with workbench_of(request.param, tmp_path_factory.mktemp(request.param), services.make_empty_database) as opened:
        yield opened


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_kind_conforms(bench, check):
    outcome = run_check(check, bench)
    if outcome.skipped is not None:
        pytest.skip(f"does not apply to a kind of CRM: {outcome.skipped}")
    assert outcome.problems == ()


def test_nobody_is_left_without_a_workbench_by_mistake():
    declared = set(destination_types())
    assert set(ELSEWHERE) <= declared
    assert set(dialects()) | set(OTHERS) | set(ELSEWHERE) >= declared, "a kind that no check is run on"
