"""Every use case that a command has, called by a program: structs come back, and errors of the house."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from pipeline.authoring.mapping_checks import check_mappings
from pipeline.authoring.mapping_schema import schema_text
from pipeline.authoring.new_sources import check_sources
from pipeline.authoring.proposals import Proposed, propose_source
from pipeline.authoring.rehearsal import send_sample
from pipeline.errors import NotFoundError, NotRunningError, RefusedError, UsageError
from pipeline.identity.decisions import DecisionRefusedError
from pipeline.inspection import people_decisions, quarantined
from pipeline.inspection.attribution_report import ReportQuestion, find_models, report_attribution
from pipeline.inspection.exports import export_deliveries, export_forwards, export_leads, export_log, export_people
from pipeline.inspection.import_progress import ImportResult, Look, Span, read_states, wait_until_ended
from pipeline.inspection.names import find_instance
from pipeline.inspection.renewals import recompute_people, renew_people
from pipeline.inspection.sources import list_sources
from pipeline.inspection.stories import EventStory, PersonStory, tell_story
from pipeline.intake.files.imports import import_file
from pipeline.intake.files.reading import AS_FOUND
from pipeline.records import new_id
from pipeline.store.engine import transaction
from tests.support.command_line import capture, deliver, work
from tests.support.paths import ROOT
from tests.support.services import forget_caches

USE_CASES = sorted((ROOT / "pipeline" / "inspection").glob("*.py")) + sorted(
    (ROOT / "pipeline" / "authoring").glob("*.py")
)
ADA = {"full_name": "Ada Lovelace", "email": "ada@example.org"}
BEA = {"full_name": "Bea Ruiz", "email": "bea@example.com"}
NOBODY = {"message": "call me"}
SPAM = {**ADA, "message": " ".join(f"https://shop{number}.example/" for number in range(6))}


def settled(*leads: dict) -> list[UUID]:
    event_ids = []
    for lead in leads:
        event_ids += capture(lead)
        work()
    return event_ids


def story_of(any_id: UUID) -> EventStory | PersonStory:
    with transaction() as connection:
        return tell_story(connection, any_id)


def person_of(event_id: UUID) -> UUID:
    story = story_of(event_id)
    assert isinstance(story, EventStory)
    assert story.person_id is not None
    return story.person_id


@pytest.mark.long
def test_no_use_case_loads_the_terminal():
    modules = [f"pipeline.{path.parent.name}.{path.stem}" for path in USE_CASES if path.stem != "__init__"]
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print([name for name in sys.modules if name == 'typer' or name.startswith('pipeline.cli')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_use_case_prints():
    printing = [path.name for path in USE_CASES if "sys.std" in path.read_text() or "print(" in path.read_text()]
    assert printing == []


@pytest.mark.usefixtures("database")
def test_a_lead_and_its_person_tell_their_stories():
    (event_id,) = settled(ADA)
    deliver()
    event = story_of(event_id)
    assert isinstance(event, EventStory)
    assert (event.state, event.now) == ("settled", "goes on")
    assert ("email", "ada@example.org") in [(row.field, row.normalized) for row in event.fields]
    assert event.request is not None
    assert event.match is not None
    assert event.match.reason == "new"
    assert [(delivery.state, len(delivery.calls)) for delivery in event.deliveries] == [("sent", 1)]
    person = story_of(event.person_id)
    assert isinstance(person, PersonStory)
    assert {golden.field: golden.value for golden in person.fields}["email"] == "ada@example.org"
    assert [lead.event_id for lead in person.events] == [event_id]
    assert "ada" not in f"{event!r}{person!r}{event.fields!r}{event.request!r}{person.fields!r}".lower()


@pytest.mark.usefixtures("database")
def test_an_id_of_nothing_is_not_found():
    nobody = new_id()
    with transaction() as connection, pytest.raises(NotFoundError, match=str(nobody)):
        tell_story(connection, nobody)
    for ask in (quarantined.fix, quarantined.discard, quarantined.release):
        with pytest.raises(NotFoundError, match=str(nobody)):
            ask(nobody, {} if ask is quarantined.fix else "a reason")


@pytest.mark.usefixtures("database")
def test_leads_people_and_deliveries_are_exported_as_rows():
    settled(ADA, BEA)
    with transaction() as connection:
        with export_leads(connection, source="api") as leads:
            assert [row["email"] for row in leads.rows] == ["ada@example.org", "bea@example.com"]
            assert leads.columns[0] == "event_id"
        with export_people(connection) as people:
            assert {row["full_name"] for row in people.rows} == {"Ada Lovelace", "Bea Ruiz"}
        with export_deliveries(connection, destination="sandbox") as deliveries:
            assert [row["state"] for row in deliveries.rows] == ["due", "due"]
        with export_leads(connection) as half_read:
            next(half_read.rows)
        assert list(half_read.rows) == []
        with pytest.raises(UsageError, match="there is no source 'nope'"):
            export_leads(connection, source="nope")
        with pytest.raises(UsageError, match="there is no brand 'nope'"):
            export_people(connection, brand="nope")


@pytest.mark.usefixtures("database", "redis_url")
def test_people_are_merged_told_of_and_taken_apart():
    one, other = (person_of(event_id) for event_id in settled(ADA, BEA))
    merged = people_decisions.merge(one, other, by="carl", why="married")
    assert merged.joined == {other: one}
    forwarded = story_of(other)
    assert isinstance(forwarded, PersonStory)
    assert forwarded.forward is not None
    assert (forwarded.forward.into, forwarded.forward.by, forwarded.forward.why) == (one, "carl", "married")
    assert len(forwarded.forward.leads) == 1
    with transaction() as connection, export_forwards(connection) as forwards:
        assert [(row["person_id"], row["merged_into"]) for row in forwards.rows] == [(other, one)]
    with transaction() as connection, export_log(connection, actions=["joined"]) as log:
        assert [row["decided_by"] for row in log.rows] == ["carl"]
    with pytest.raises(DecisionRefusedError, match="one person already"):
        people_decisions.merge(one, other, by="carl")
    assert people_decisions.unmerge(other, by="carl").parted == [other]
    with pytest.raises(UsageError) as error:
        people_decisions.merge(one, other, by=" ")
    assert error.value.argument == "by"


@pytest.mark.usefixtures("database", "redis_url")
def test_what_waits_is_listed_fixed_replayed_and_discarded():
    first, second = settled(NOBODY, {**NOBODY, "message": "me too"})
    with transaction() as connection:
        waiting = quarantined.list_quarantined(connection)
        shown = quarantined.find_quarantined(connection, first)
    assert (waiting.open, waiting.groups[0].reason) == (2, "nothing_to_identify")
    assert shown.row.event_id == first
    assert quarantined.fix(first, {"email": "ada@example.org"}).replayed == 1
    with pytest.raises(RefusedError, match="not open any more"):
        quarantined.discard(first, "a test")
    assert quarantined.replay(second).replayed == 1
    work()
    assert [story_of(event_id).state for event_id in (first, second)] == ["settled", "quarantined"]
    assert quarantined.replay_all(reason="nothing_to_identify").replayed == 1
    work()
    assert isinstance(quarantined.discard(second, "a test"), UUID)
    with pytest.raises(UsageError, match="did you mean email") as error:
        quarantined.fix(second, {"emial": "x"})
    assert error.value.argument == "set"
    with pytest.raises(UsageError, match="needs a text"):
        quarantined.discard(second, " ")


@pytest.mark.usefixtures("database", "redis_url")
def test_a_suppressed_lead_is_released_and_a_settled_one_is_not():
    spam, real = settled(SPAM, BEA)
    was = quarantined.release(spam, "a list of their shops")
    assert (was.state, was.reason) == ("suppressed", "spam")
    work()
    assert story_of(spam).state == "settled"
    with pytest.raises(RefusedError, match="nothing to release"):
        quarantined.release(real, "why not")


@pytest.mark.usefixtures("database")
def test_a_mapping_is_proposed_without_writing_it(tmp_path):
    file = tmp_path / "fair.csv"
    file.write_text("Email,Full name,Zodiac\nada@example.org,Ada Love,ram\n")
    proposed = propose_source([file], "spring_fair", None, AS_FOUND)
    assert isinstance(proposed, Proposed)
    assert proposed.draft.proposal.fields == {"email": "Email", "full_name": "Full name"}
    assert proposed.examples["Full name"] == "Ada Love"
    assert not (ROOT / "mappings" / "sources" / "spring_fair.yaml").exists()
    assert propose_source([file], "datablist", None, AS_FOUND) is None
    file.write_text("City,Country\nParis,France\n")
    with pytest.raises(UsageError, match="nothing can be proposed"):
        propose_source([file], "spring_fair", None, AS_FOUND)


@pytest.mark.long
@pytest.mark.usefixtures("database", "redis_url")
def test_an_import_is_waited_for_with_a_callback(tmp_path):
    file: Path = tmp_path / "leads.csv"
    file.write_text("Account Id,First Name,Last Name,Email 1\na1,Ada,Lovelace,ada@example.org\n")
    report = import_file(file, source="datablist", brand="default")
    span = Span.of_reports("datablist", "default", [report])
    looks: list[Look] = []

    def look(now: Look) -> None:
        looks.append(now)
        if now.events_left:
            work()
        elif now.deliveries_left:
            deliver()

    wait_until_ended(span, look)
    assert looks == [Look(1, 0), Look(0, 1), Look(0, 0)]
    result = ImportResult([(file, report)], [], read_states(span).counts)
    assert (result.accepted, result.states["settled"], result.difference) == (1, 1, 0)
    assert ImportResult([(file, report)], [], {}).difference == 1


@pytest.mark.usefixtures("database", "redis_url")
def test_history_is_renewed_and_reported_on():
    settled(ADA, BEA)
    heard: list[int] = []
    assert renew_people(is_dry_run=True, on_progress=lambda done, _people: heard.append(done.people)).people == 2
    assert heard == [2]
    assert recompute_people(is_dry_run=True).pieces == 2
    with pytest.raises(UsageError, match="there is no brand 'nope'"):
        renew_people(brand="nope")
    with transaction() as connection:
        assert report_attribution(connection, find_models("all"), ReportQuestion("channel")).people == 2
        for wrong, argument in (
            (ReportQuestion("moon"), "by"),
            (ReportQuestion("channel", date(2025, 3, 2), date(2025, 3, 1)), "until"),
            (ReportQuestion("channel", half_life_days=0), "half_life"),
        ):
            with pytest.raises(UsageError) as error:
                report_attribution(connection, find_models("first"), wrong)
            assert error.value.argument == argument


def test_sources_and_mappings_are_listed_and_checked():
    assert {"api", "datablist"} <= {source.source for source in list_sources()}
    assert check_sources("web_form") == {"web_form": []}
    assert check_mappings()["mappings/identity.yaml"] == []
    assert find_instance("datablist").brand == "default"
    with pytest.raises(UsageError, match="allowed: source, destination"):
        schema_text("planet")


def test_a_sample_that_cannot_be_sent_says_why(monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setenv("AFLUENTE_DATA", str(tmp_path))
        patch.setenv("AFLUENTE_API_KEYS", "t:admin:key")
        forget_caches()
        with pytest.raises(NotRunningError, match="does not answer"):
            send_sample("api", address="http://127.0.0.1:9")
        with pytest.raises(NotRunningError, match="no receiver is known"):
            send_sample("api")
        with pytest.raises(UsageError, match="has no sample 'nope'"):
            send_sample("api", "nope", address="http://127.0.0.1:9")
    forget_caches()
