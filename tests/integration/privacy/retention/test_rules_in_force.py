"""A rule waits until somebody approves it, whichever way it came to reach further than what was approved."""

from __future__ import annotations

import pytest

from pipeline.privacy.retention.running import read_standings, retain
from tests.support.command_line import answer, run
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA
from tests.support.retention_runs import approve, go, rule

WIDER = {
    "brand": (rule("bodies", "30d", brand="default"), rule("bodies", "30d")),
    "source": (rule("bodies", "30d", source="api"), rule("bodies", "30d")),
    "state": (rule("bodies", "30d", state="settled"), rule("bodies", "30d")),
    "another_state": (rule("bodies", "30d", state="suppressed"), rule("bodies", "30d", state="settled")),
    "start": (rule("people", "30d", start="withdrawal"), rule("people", "30d")),
    "purpose": (
        rule("people", "30d", start="withdrawal", purpose="marketing"),
        rule("people", "30d", start="withdrawal"),
    ),
}


@pytest.mark.parametrize("scope", WIDER)
def test_a_rule_of_a_wider_scope_is_a_new_one(installation, scope):
    narrow, wide = WIDER[scope]
    approve(installation, narrow)
    installation.configure(retention=[wide])
    assert [(standing.waits, standing.seconds) for standing in read_standings()] == [(True, None)]


def test_a_rule_that_was_taken_away_and_comes_back_is_a_new_one(installation):
    installation.person(ADA)
    approve(installation, rule("bodies", "30d"), rule("touches", "30d"))
    installation.configure(retention=[rule("touches", "30d")])
    go(days=1)
    installation.configure(retention=[])
    go(days=1)
    installation.configure(retention=[rule("bodies", "30d"), rule("touches", "30d")])
    assert retain(budget_seconds=9).waiting == ["bodies", "touches"]
    assert go() == {}
    assert rows("SELECT count(*) FROM event_bodies") == [(1,)]


def test_a_run_by_hand_says_that_no_rule_is_about_what_is_stored(installation):
    installation.configure(retention=[rule("logs", "30d")])
    done = run("retention", "run", "--approve")
    assert done.returncode == 0
    assert "Nothing was retired: no rule of `retention`" in done.stdout


def test_a_rule_for_logs_is_shown_and_waits_for_nobody(installation):
    installation.configure(retention=[rule("logs", "30d")])
    month = 30 * 86_400
    shown = {"rule": "logs", "seconds": month, "in_force_seconds": month, "waits": False}
    assert answer("retention", "preview")["rules"] == [shown]
