"""What a human sees of completeness: the commands, status, doctor and the gauges, and what the settings may say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.health.completeness import check_completeness
from pipeline.health.metrics import collect_gauges
from pipeline.health.silence.watching import watch_sources
from pipeline.health.status import collect_status
from pipeline.inspection.polling.reconciled import read_reconciles
from pipeline.intake.reconciling.runs import due_reconciles, run_reconcile
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.events.reconciled import DayCount, keep_days, read_days
from pipeline.store.sources.rhythms import read_rhythms
from pipeline.tasks import maintain
from tests.support.command_line import answer, problem, run
from tests.support.intake_server import Receiver, running_receiver
from tests.support.listed_posts import TOKEN, TypeformApi, days_ago, listing
from tests.support.posted_sources import post

pytestmark = pytest.mark.usefixtures("database", "redis_url")
SOURCE = "typeform"


@pytest.fixture
def typeform(database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TypeformApi]:
    api = TypeformApi(most=3)
    with listing(api, SOURCE, tmp_path, monkeypatch):
        yield api


@pytest.fixture
def receiver(typeform: TypeformApi) -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


def lose_one_of(count: int, typeform: TypeformApi, receiver: Receiver) -> None:
    responses = [typeform.respond() for _ in range(count)]
    for response in responses[1:]:
        post(receiver, SOURCE, typeform.post_of(response))


def problems() -> list[str]:
    return [problem for problem in collect_status()["problems"] if SOURCE in problem]


def gauges() -> dict[str, float]:
    return {
        gauge.name: sample.value
        for gauge in collect_gauges(settings())
        for sample in gauge.samples
        if sample.labels.get("source") == SOURCE
    }


def checks() -> dict[str, bool]:
    return {check.detail: check.ok for check in check_completeness(settings()) if SOURCE in check.name}


def test_completeness_shows_each_day_and_reconcile_what_it_found(typeform: TypeformApi, receiver: Receiver) -> None:
    lose_one_of(3, typeform, receiver)
    done = answer("source", "reconcile", SOURCE)
    assert (done["accepted"], done["error"], len(done["days"])) == (1, None, 3)
    rows = {row["day"]: row for row in answer("source", "completeness", "--source", SOURCE)}
    row = rows[days_ago(1).date().isoformat()]
    assert (row["source"], row["brand"], row["is_whole"]) == (SOURCE, "default", True)
    assert (row["expected"], row["received"], row["recovered"], row["percent"]) == (3, 2, 1, 66.6)
    assert rows[days_ago(0).date().isoformat()]["is_whole"] is False
    assert rows[days_ago(2).date().isoformat()]["percent"] is None
    assert "66.6" in run("source", "completeness").stdout
    assert "(so far)" in run("source", "reconcile", SOURCE).stdout
    assert len(answer("source", "completeness", "--days", "1")) == 1


def test_a_day_that_did_not_come_whole_is_told_with_what_was_found(typeform: TypeformApi, receiver: Receiver) -> None:
    lose_one_of(4, typeform, receiver)
    run_reconcile(SOURCE, "default", at_once=True)
    (sentence,) = problems()
    assert "4 records" in sentence
    assert "1 did not come" in sentence
    assert "1 were found" in sentence
    assert [(detail.startswith(sentence), is_well) for detail, is_well in checks().items()] == [(True, True)]
    assert gauges()["afluente_source_completeness_ratio"] == 0.75
    assert 0 <= gauges()["afluente_source_reconcile_age_seconds"] < 600


def test_a_day_that_came_whole_is_no_problem(typeform: TypeformApi, receiver: Receiver) -> None:
    post(receiver, SOURCE, typeform.post_of(typeform.respond()))
    run_reconcile(SOURCE, "default", at_once=True)
    assert problems() == []
    assert list(checks().values()) == [True]
    assert gauges()["afluente_source_completeness_ratio"] == 1.0


def test_a_reading_that_fails_is_told_wherever_one_looks(typeform: TypeformApi, receiver: Receiver) -> None:
    typeform.token = "another"
    done = answer("source", "reconcile", SOURCE, code=1)
    assert "401" in done["error"]
    (sentence,) = problems()
    assert "cannot be read" in sentence
    assert list(checks().values()) == [False]
    (row,) = (row for row in answer("source", "status", SOURCE) if row["about"] == "reconcile")
    assert "401" in row["last_error"]
    assert "401" in run("source", "status", SOURCE).stdout
    assert "401" in run("source", "completeness", "--source", SOURCE).stderr
    assert TOKEN not in json.dumps([done, row, sentence])


def test_the_age_of_the_last_reading_is_told_however_old_it_is(typeform: TypeformApi) -> None:
    assert "afluente_source_reconcile_age_seconds" not in gauges()
    with transaction() as connection:
        keep_days(connection, "default", SOURCE, {days_ago(9).date(): DayCount(4, 3, 1)}, read_to=days_ago(8))
        connection.exec_driver_sql("UPDATE reconciled_days SET checked_at = now() - interval '8 days'")
    told = gauges()
    assert told["afluente_source_reconcile_age_seconds"] > 7 * 86_400
    assert "afluente_source_completeness_ratio" not in told
    assert problems() == []
    (state,) = read_reconciles(SOURCE)
    assert (state.day, state.expected, state.percent) == (None, None, None)


def test_without_a_token_nothing_is_asked_nobody_is_alarmed_and_the_reason_is_said(
    typeform: TypeformApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.services import forget_caches

    monkeypatch.delenv("TYPEFORM_TOKEN")
    forget_caches()
    assert due_reconciles() == []
    assert problems() == []
    ((detail, ok),) = checks().items()
    assert ok
    assert "TYPEFORM_TOKEN" in detail
    assert "TYPEFORM_TOKEN" in run("source", "status", SOURCE).stdout
    assert "TYPEFORM_TOKEN" in run("source", "completeness", "--source", SOURCE).stderr
    assert "TYPEFORM_TOKEN" in problem("source", "reconcile", SOURCE, code=2)
    assert typeform.asked == []


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"reconcile": False}, "reconcile is off"),
        ({"enabled": False}, "enabled is false"),
    ],
)
def test_what_is_switched_off_is_not_asked(
    said: dict, wanted: str, database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listing(TypeformApi(), SOURCE, tmp_path, monkeypatch, **said):
        assert due_reconciles() == []
        (state,) = read_reconciles(SOURCE)
        assert wanted in (state.why_not or "")


def test_off_is_understood_as_yaml_writes_it(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listing(TypeformApi(), SOURCE, tmp_path, monkeypatch):
        (tmp_path / "afluente.yaml").write_text("sources: {typeform: {reconcile: off}}\n")
        from tests.support.services import forget_caches

        forget_caches()
        assert due_reconciles() == []


@pytest.mark.parametrize(
    ("reconcile", "wanted"),
    [
        ({"windows": 3}, "sources.typeform.reconcile: windows is not known; allowed: calls_per_second, every_seconds"),
        ({"window_days": 0}, "sources.typeform.reconcile.window_days is 0; allowed: at least 1"),
    ],
)
def test_a_wrong_setting_is_told_and_nothing_is_asked(
    reconcile: dict, wanted: str, database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = TypeformApi()
    with listing(api, SOURCE, tmp_path, monkeypatch, reconcile=reconcile):
        assert wanted in (run_reconcile(SOURCE, "default").poll.error or "")
        assert api.asked == []
        assert any(wanted in sentence for sentence in problems())


def test_an_option_of_the_source_is_looked_at_wherever_it_stands(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"organization": "7", "list": "ordrs"}
    with listing(TypeformApi(), "eventbrite", tmp_path, monkeypatch, options=options):
        (state,) = read_reconciles("eventbrite")
        assert state.last_error == "sources.eventbrite.options.list is 'ordrs'; allowed: attendees, orders"


def test_what_is_said_of_a_source_that_cannot_be_asked_is_no_silence(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listing(TypeformApi(), "tally", tmp_path, monkeypatch, reconcile={"window_days": 3}):
        (check,) = [check for check in check_completeness(settings()) if "tally" in check.name]
        assert not check.ok
        assert "sources.tally.reconcile says how" in check.detail


def test_a_source_that_only_gives_what_it_is_asked_for_is_not_heard(typeform: TypeformApi, receiver: Receiver) -> None:
    typeform.respond()
    run_reconcile(SOURCE, "default", at_once=True)
    watch_sources()
    assert heard() == []
    post(receiver, SOURCE, typeform.post_of(typeform.respond()))
    watch_sources()
    assert heard() == [SOURCE]


def heard() -> list[str]:
    with transaction() as connection:
        return [rhythm.source for rhythm in read_rhythms(connection).values() if rhythm.last_heard_at is not None]


def test_settings_say_how_often_and_how_far_back(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listing(TypeformApi(), SOURCE, tmp_path, monkeypatch, reconcile={"every_seconds": 600, "window_days": 4}):
        assert len(run_reconcile(SOURCE, "default").days) == 5
        with transaction() as connection:
            (seconds,) = connection.exec_driver_sql("SELECT extract(epoch FROM next_run_at - now()) FROM cursors").one()
        assert 500 < seconds <= 600


def test_of_several_brands_that_share_one_list_none_gets_the_leads_of_the_others(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = TypeformApi()
    with listing(api, SOURCE, tmp_path, monkeypatch):
        content = json.loads((tmp_path / "afluente.yaml").read_text())
        (tmp_path / "afluente.yaml").write_text(json.dumps({**content, "brands": {"casa": {}, "dorn": {}}}))
        from tests.support.services import forget_caches

        forget_caches()
        assert due_reconciles() == []
        (state,) = read_reconciles(SOURCE)
        assert "several brands (casa, dorn)" in (state.why_not or "")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("web_form",), "cannot be asked"),
        (("nobody",), "there is no source"),
        ((SOURCE, "--from", "yesterday"), "write it as 2026-03-01"),
        ((SOURCE, "--from", "2020-01-01"), "a day of the last 90"),
    ],
)
def test_what_cannot_be_reconciled_is_refused_with_a_reason(
    typeform: TypeformApi, arguments: tuple[str, ...], wanted: str
) -> None:
    assert wanted in problem("source", "reconcile", *arguments, code=2)


def test_counts_of_more_than_a_year_ago_are_forgotten(typeform: TypeformApi) -> None:
    old, new = days_ago(401).date(), days_ago(399).date()
    with transaction() as connection:
        keep_days(connection, "default", SOURCE, {old: DayCount(1, 1), new: DayCount(1, 1)}, read_to=days_ago(1))
    maintain()
    with transaction() as connection:
        assert [day.day for day in read_days(connection, since=old)] == [new]


def test_the_pace_of_its_posts_is_not_the_pace_at_which_it_is_asked(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = TypeformApi(forms={f"f-{number}": "Form" for number in range(4)})
    with listing(api, SOURCE, tmp_path, monkeypatch, rate_per_second=10_000, reconcile={"calls_per_second": 4}):
        asked_at: list[float] = []
        api.before = lambda _asked: asked_at.append(time.monotonic())
        run_reconcile(SOURCE, "default")
    assert len(asked_at) == 5
    assert asked_at[-1] - asked_at[0] > 0.9  # four times a quarter of a second


def test_what_was_all_recovered_is_told_by_doctor_and_fails_nothing(typeform: TypeformApi, receiver: Receiver) -> None:
    lose_one_of(3, typeform, receiver)
    run_reconcile(SOURCE, "default", at_once=True)
    ((detail, is_well),) = checks().items()
    assert is_well
    assert "1 did not come by themselves (66.6 % did); 1 were found by asking it, and came in" in detail
    assert "see in its settings whether it still posts here" in detail


def test_of_a_source_that_is_asked_no_more_its_last_error_is_no_news(
    typeform: TypeformApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typeform.token = "another"
    assert run_reconcile(SOURCE, "default", at_once=True).poll.is_terminal
    assert "401" in (read_reconciles(SOURCE)[0].last_error or "")
    with listing(typeform, SOURCE, tmp_path, monkeypatch, reconcile=False):
        (state,) = read_reconciles(SOURCE)
        assert (state.last_error, state.failures) == (None, 0)
        assert "reconcile is off" in (state.why_not or "")
