"""What is old enough goes by the rules, and nothing else: the shortest rule counts, whoever is held keeps all, a rule
that keeps for shorter waits to be approved, and what went is told."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import ConfigurationError
from pipeline.inspection.renewals import renew_people
from pipeline.privacy import holds
from pipeline.privacy.ledger import read_ledger
from pipeline.privacy.retention import running
from pipeline.privacy.retention.preview import preview
from pipeline.privacy.retention.running import approve_rules, read_standings, retain
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.events import quarantine
from pipeline.store.events.balance import balance
from pipeline.store.retention import retiring, statements
from tests.support import command_line
from tests.support.command_line import answer, capture, run, work
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA, BEA

VISIT = {
    "page_url": "https://example.org/offers/for-ada?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=click-17",
    "referrer": "https://www.google.com/",
}
LATER = datetime.now(UTC) + timedelta(days=100)
BODIES = "SELECT count(*) FROM event_bodies"


def rule(what: str, after: str, **more: str) -> dict[str, str]:
    return {"what": what, "after": after, **more}


def go(days: float = 100, seconds: float = 60) -> dict[str, int]:
    """A run as it would be in so many days; gives what went."""
    now = datetime.now(UTC) + timedelta(days=days)
    return {what: count for what, count in retain(budget_seconds=seconds, is_now=True, now=now).counts.items() if count}


@pytest.fixture
def approved(installation):
    """Settings with these rules, approved."""

    def configure(*rules: dict[str, str], **more: Any) -> None:
        installation.configure(retention=list(rules), **more)
        approve_rules("vera")

    return configure


def hold(person_id, kind=holds.HOLD):
    with transaction() as connection:
        return holds.place(connection, kind, person_id, reason="case 17", by="vera")


def test_bodies_go_and_what_they_were_of_stays_and_is_told(installation, approved):
    ada = installation.person(ADA, **VISIT)
    before = rows("SELECT profile FROM people")
    approved(rule("bodies", "90d"))
    assert go(days=89) == {}
    assert go(days=91) == {"bodies": 1}
    assert rows(BODIES) == [(0,)]
    with transaction() as connection:
        figures = balance(connection)
    assert (figures["all"]["settled"], figures["all"]["difference"], figures["retired"]) == (1, 0, {"bodies": 1})
    ((event_id,),) = rows("SELECT event_id FROM events")
    assert answer("explain", str(event_id))["now"] == "its body is gone: retention drops those of this source"
    assert "retention has retired so far: 1 bodies" in run("balance").stdout
    renewed = renew_people()
    assert (renewed.changed, renewed.left) == (0, 1)
    assert rows("SELECT person_id, profile FROM people") == [(ada, *before[0])]


def test_of_several_rules_the_shortest_counts(installation, approved):
    capture(ADA, source="api")
    capture(BEA, source="json_feed")
    capture({"full_name": "Test Test", "email": "test@test.com"}, source="api")
    work()
    assert rows("SELECT state, count(*) FROM events GROUP BY 1 ORDER BY 1") == [("settled", 2), ("suppressed", 1)]
    approved(
        rule("bodies", "1y"),
        rule("bodies", "60d", source="json_feed"),
        rule("bodies", "10d", state="suppressed"),
        rule("bodies", "5d", brand="default", source="json_feed", state="suppressed"),
    )
    left = "SELECT source, state FROM events JOIN event_bodies USING (event_id) ORDER BY 1, 2"
    assert go(days=9) == {}
    assert go(days=11) == {"bodies": 1}
    assert rows(left) == [("api", "settled"), ("json_feed", "settled")]
    assert go(days=61) == {"bodies": 1}
    assert rows(left) == [("api", "settled")]
    assert go(days=366) == {"bodies": 1}


@pytest.mark.parametrize("kind", [holds.HOLD, holds.RESTRICTION])
def test_whoever_is_held_or_restricted_keeps_all_until_that_ends(installation, approved, kind):
    ada = installation.person(ADA, **VISIT)
    installation.person(BEA, **VISIT)
    command_line.deliver()
    held = hold(ada, kind)
    approved(rule("bodies", "30d"), rule("touches", "30d"), rule("delivery_log", "30d"))
    with transaction() as connection:
        assert [(one.what, one.going, one.kept) for one in preview(connection, now=LATER).going] == [
            ("bodies", 1, 1), ("delivery_log", 1, 1), ("touches", 1, 1),
        ]  # fmt: skip
    assert go() == {"bodies": 1, "touches": 1, "delivery_log": 1}
    assert rows("SELECT person_id FROM events JOIN event_bodies USING (event_id)") == [(ada,)]
    assert rows("SELECT person_id FROM touches WHERE landing_path IS NOT NULL") == [(ada,)]
    assert rows("SELECT person_id FROM delivery_log") == [(ada,)]
    with transaction() as connection:
        holds.release(connection, kind, held.hold_id, reason="closed", by="vera")
    assert go() == {"bodies": 1, "touches": 1, "delivery_log": 1}


def test_who_is_held_between_two_batches_keeps_what_is_left(installation, approved, monkeypatch):
    installation.person(BEA)
    ada = installation.person(ADA)
    monkeypatch.setattr(running, "_AT_ONCE", 1)
    monkeypatch.setattr(retiring, "old_months", lambda *_: [])
    real = retiring.retire

    def retire_and_hold(*arguments, **options):
        done = real(*arguments, **options)
        if not rows("SELECT 1 FROM legal_holds"):
            hold(ada)
        return done

    monkeypatch.setattr(retiring, "retire", retire_and_hold)
    approved(rule("bodies", "30d"))
    assert go() == {"bodies": 1}
    assert rows("SELECT person_id FROM events JOIN event_bodies USING (event_id)") == [(ada,)]


def test_a_rule_that_is_new_or_shorter_waits_until_somebody_approves_it(installation):
    installation.person(ADA)
    installation.configure(retention=[rule("bodies", "90d")])
    assert go() == {}
    assert retain(budget_seconds=9, now=LATER).waiting == ["bodies"]
    assert approve_rules("vera") == ["bodies"]
    installation.configure(retention=[rule("bodies", "30d")])
    assert go(days=80) == {}
    assert [(one.waits, one.seconds) for one in read_standings()] == [(True, 90 * 86_400)]
    approve_rules("vera")
    installation.configure(retention=[rule("bodies", "2y")])  # longer holds at once, and is what counts from then on
    assert go() == {}
    installation.configure(retention=[rule("bodies", "30d")])
    assert go() == {}
    approve_rules("vera")
    assert go() == {"bodies": 1}


def test_a_month_of_which_nothing_must_stay_is_dropped_as_a_whole(installation, approved):
    capture(ADA, BEA)
    work()
    approved(rule("bodies", "30d"))
    month = f"event_bodies_{datetime.now(UTC):%Y%m}"
    requests = month.replace("event", "request")
    exists = "SELECT to_regclass(%s) IS NOT NULL, to_regclass(%s) IS NOT NULL"
    assert rows(exists, month, requests) == [(True, True)]
    assert go() == {"bodies": 2}
    assert rows(exists, month, requests) == [(False, False)]
    assert rows("SELECT state FROM events") == [("settled",), ("settled",)]
    assert capture({**ADA, "message": "news"})  # and those that come go elsewhere
    work()
    assert rows(BODIES) == [(1,)]


def test_a_month_of_which_somebody_is_held_stays_and_the_others_go_row_by_row(installation, approved):
    hold(installation.person(ADA))
    installation.person(BEA)
    approved(rule("bodies", "30d"))
    assert go() == {"bodies": 1}
    assert rows(BODIES) == [(1,)]


def test_a_month_in_which_leads_are_under_way_stays(installation, approved):
    installation.person(ADA)
    capture(BEA)  # nobody worked on it yet
    approved(rule("bodies", "30d"))
    assert go() == {"bodies": 1}
    work()
    assert rows("SELECT count(*) FROM events WHERE state = 'settled'") == [(2,)]


def test_what_waits_in_quarantine_is_closed_when_its_body_goes(installation, approved):
    capture({"full_name": "Nobody Known"})
    work()
    assert rows("SELECT state FROM events") == [("quarantined",)]
    ((quarantine_id,),) = rows("SELECT quarantine_id FROM quarantine")
    with transaction() as connection:
        assert quarantine.set_patch(connection, quarantine_id, {"full_name": "Somebody"})
    approved(rule("bodies", "10d"), rule("quarantine", "30d"))
    assert go(days=20) == {}
    assert sum(go(days=31).values()) == 1  # with its month, or alone
    assert rows("SELECT resolution, why, patch FROM quarantine") == [("discarded", "retention", None)]
    with transaction() as connection:
        figures = balance(connection)["all"]
    assert (figures["quarantined"], figures["difference"]) == (1, 0)


def test_what_has_no_body_any_more_is_released_by_nobody(installation, approved):
    (event_id,) = capture({"full_name": "Test Test", "email": "test@test.com"})
    work()
    approved(rule("bodies", "10d"))
    assert go() == {"bodies": 1}
    run("leads", "release", str(event_id), "--why", "real")
    assert rows("SELECT state FROM events") == [("suppressed",)]


def test_a_touch_loses_path_and_click_and_keeps_its_channel(installation, approved):
    ada = installation.person(ADA, **VISIT)
    before = rows("SELECT channel, source, campaign, utm_source FROM touches")
    approved(rule("touches", "30d"))
    assert go() == {"touches": 1}
    assert rows("SELECT landing_path, click_ids FROM touches") == [(None, {"gclid": ""})]
    assert rows("SELECT channel, source, campaign, utm_source FROM touches") == before
    assert rows("SELECT latest_channel FROM people WHERE person_id = %s", ada) == [("Paid Search",)]
    assert go() == {}


def test_people_of_whom_nothing_came_for_long_are_erased_everywhere(installation, approved):
    ada, bea, cleo = (installation.person(person) for person in (ADA, BEA, {"email": "cleo@example.org"}))
    command_line.deliver()
    hold(bea)
    with transaction() as connection:  # of her something came since
        connection.exec_driver_sql(
            "UPDATE events SET received_at = now() + interval '99 days' WHERE person_id = %s", (cleo,)
        )
    approved(rule("people", "30d"))
    with transaction() as connection:
        assert [(one.going, one.kept) for one in preview(connection, now=LATER).going] == [(1, 1)]
    assert go(days=29) == {}
    assert go() == {"people": 1}
    assert set(rows("SELECT person_id FROM people")) == {(bea,), (cleo,)}
    assert rows("SELECT wanted FROM deliveries WHERE person_id = %s", ada) == [("absent",)]
    assert [line.entry.person_ids for line in read_ledger().lines if line.entry.kind == "erase"] == [(ada,)]
    assert rows("SELECT asked_by, reason FROM privacy_requests") == [("retention", "retention by activity")]
    assert go() == {}


def test_people_go_some_time_after_they_took_their_last_consent_back(installation, approved):
    def person(email: str, *answers: bool):
        for month, granted in enumerate(answers, start=1):
            at = f"2025-0{month}-01T00:00:00Z"
            said = [{"purpose": "marketing", "channel": "email", "granted": granted, "at": at}]
            came = installation.person({"email": email, "consents": said, "occurred_at": at, "external_id": email + at})
        return came

    refused = person("one@example.org", True, False)
    granted = person("two@example.org", False, True)
    silent = installation.person({"email": "three@example.org"})
    approved(rule("people", "30d", start="withdrawal"))
    assert go(days=0) == {"people": 1}
    assert set(rows("SELECT person_id FROM people")) == {(granted,), (silent,)}
    assert refused not in {granted, silent}


def test_where_a_second_person_approves_erasures_retention_asks_once(installation, approved):
    installation.person(ADA)
    approved(rule("people", "30d"), privacy={"needs_approval": True})
    assert go() == {"people": 1}
    assert go() == {}
    assert rows("SELECT state FROM privacy_requests") == [("awaiting_approval",)]
    assert rows("SELECT count(*) FROM people") == [(1,)]


def test_a_run_that_was_cut_short_goes_on_where_it_was(installation, approved, monkeypatch):
    for number in range(4):
        installation.person({"email": f"person{number}@example.org"}, **VISIT)
    monkeypatch.setattr(running, "_AT_ONCE", 1)
    approved(rule("touches", "30d"))
    first = retain(budget_seconds=0.0, now=LATER)
    assert (first.is_over, first.counts) == (False, {})
    monkeypatch.setattr(running.time, "sleep", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))  # killed after one
    with pytest.raises(KeyboardInterrupt):
        retain(budget_seconds=60, now=LATER)
    monkeypatch.undo()
    ((after,),) = rows("SELECT after FROM retention_runs")
    assert rows("SELECT count(*) FROM touches WHERE event_id::text <= %s AND landing_path IS NULL", after) == [(1,)]
    again = retain(budget_seconds=60, now=LATER)
    assert (again.is_over, again.counts) == (True, {"touches": 3})
    assert retain(budget_seconds=60, now=LATER).counts == {}  # once a day


def test_every_statement_that_destroys_looks_who_is_kept():
    found = {
        name: text
        for name, value in vars(statements).items()
        for text in (value if isinstance(value, statements.Statements) else [value])
        if isinstance(text, str) and any(word in text for word in ("DELETE FROM", "UPDATE "))
    }
    assert set(found) == {"BODIES", "TOUCHES", "DELIVERY_LOG", "FORGET_REQUESTS", "CLOSE_MONTH"}
    assert [name for name, text in found.items() if "events_kept" not in text and "people_kept" not in text] == []
    source = inspect.getsource(retiring.drop_month)
    assert "DROP TABLE" in source
    assert source.count("STAYS_IN_MONTH") == 2
    assert "events_kept" in statements.STAYS_IN_MONTH


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"what": "bodys", "after": "3d"}, "bodies"),
        ({"what": "bodies", "after": "soon"}, "write it as 30d, 26w or 3y"),
        ({"what": "logs", "after": "3d", "brand": "default"}, "about the whole installation"),
        ({"what": "bodies", "after": "3d", "brand": "other"}, "not among brands"),
        ({"what": "bodies", "after": "3d", "state": "pending"}, "settled"),
        ({"what": "people", "after": "3d", "start": "birth"}, "activity"),
        ({"what": "bodies", "after": "3d", "action": "drop"}, "action"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(installation, wrong, said):
    installation.configure(retention=[wrong])
    with pytest.raises(ConfigurationError, match=said):
        settings()


def test_two_rules_about_the_same_are_refused(installation):
    installation.configure(retention=[rule("bodies", "3d"), rule("bodies", "4d")])
    with pytest.raises(ConfigurationError, match=r"retention\[1\]: is about the same"):
        settings()


def test_retention_by_command(installation):
    installation.person(ADA)
    installation.configure(retention=[rule("bodies", "90d")])
    assert "waits for --approve" in run("retention", "preview").stdout
    assert "waits for" in run("retention", "run").stdout
    done = run("retention", "run", "--approve")
    assert (done.returncode, done.stdout) == (0, "bodies: 0 retired\n")
    assert answer("retention", "preview")["rules"][0]["in_force_seconds"] == 90 * 86_400
