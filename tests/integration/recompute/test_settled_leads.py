"""A mapping that was corrected reaches leads that have settled: people, where they came from, and what CRMs have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from pipeline.crypto.encryption import open_profile
from pipeline.delivery.sender import deliver
from pipeline.errors import ConfigurationError
from pipeline.identity.matching.rules import identity_rules
from pipeline.recompute import settled_leads
from pipeline.recompute.replay_report import Replayed
from pipeline.recompute.settled_leads import replay_settled
from pipeline.store.engine import count_statements, transaction
from pipeline.store.events import quarantine
from pipeline.store.events.balance import balance
from tests.integration.delivery.test_sender import crm
from tests.support.command_line import answer, capture, problem, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import owner, rows
from tests.support.people_checks import assert_all_follows, assert_people_are_those_of_all_evidence

__all__ = ["crm"]

SAID = (
    'intake=Webhook(signature=StandardWebhooks(secret=Secret("META_SECRET"))), event_id="id",'
    ' occurred_at="created_time"'
)
BEFORE = """
lead: {submission_id: id, full_name: full_name, email: email, phone: phone_number, city: city}
touch: {campaign_name: campaign_name, form_id: form_id}
kept: [platform, is_organic, created_time, job, crm_id, ok]
"""
AFTER = BEFORE.replace("touch: {", "touch: {platform: platform, is_organic: is_organic, ").replace(
    "kept: [platform, is_organic, ", "kept: ["
)


def _lead(number: int, platform: str = "fb", *, is_organic: str = "false", **more: Any) -> dict[str, Any]:
    return {
        "id": f"l:{number}",
        "created_time": f"2026-03-02T09:{number % 60:02}:00Z",
        "platform": platform,
        "is_organic": is_organic,
        "campaign_name": "Spring 2026",
        "form_id": "f:1",
        "full_name": f"Ada Sample{chr(97 + number // 26)}{chr(97 + number % 26)}",
        "email": f"ada{number}@sample{number}.example",
        "city": "Bonn",
        **more,
    }


META = [_lead(1), _lead(2, "ig"), _lead(3, is_organic="true")]


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        sources.declare("meta", SAID, BEFORE)
        yield sources


def _origins() -> list[tuple[str, str]]:
    return rows("SELECT original_source, original_channel FROM people WHERE merged_into IS NULL ORDER BY original_at")


def _all_tables() -> dict[str, list[str]]:
    names = rows("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace")
    return {name: sorted(row[0] for row in rows(f"SELECT t::text FROM {name} t")) for (name,) in names}


def _values(person_id: UUID) -> dict[str, Any]:
    ((sealed,),) = rows("SELECT profile FROM people WHERE person_id = %s", person_id)
    return open_profile(sealed, person_id).values()


def _send() -> int:
    return sum(deliver("crm", lane, budget_seconds=5).sent for lane in ("hot", "bulk"))


def _in_crm(crm: Any, field: str) -> list[str | None]:
    return sorted((record["fields"].get(field) for record in crm.records()), key=str)


def _assert_all_is_well() -> None:
    assert_people_are_those_of_all_evidence("default", identity_rules())
    assert_all_follows("default")
    with transaction() as connection:
        assert balance(connection)["all"]["difference"] == 0


def test_leads_of_an_export_that_were_direct_become_those_of_the_platform_its_mapping_reads_now(company, crm) -> None:
    events = capture(*META, source="meta")
    work()
    assert _origins() == [("(direct)", "Direct")] * 3
    assert _send() == 3
    company.declare("meta", SAID, AFTER)
    done = replay_settled(source="meta")
    assert (done.read, done.mapped_anew, done.changed, done.people, done.who) == (3, 3, 3, 3, 0)
    social = [("facebook", "Paid Social"), ("instagram", "Paid Social"), ("facebook", "Organic Social")]
    assert _origins() == social
    assert rows("SELECT source, channel FROM touches ORDER BY occurred_at") == social
    assert [rows("SELECT channel FROM events WHERE event_id = %s", event)[0][0] for event in events] == [
        channel for _, channel in social
    ]
    assert done.destinations["crm"].fields["Original_Source__c"] == 3
    assert (done.destinations["crm"].people, done.destinations["crm"].once, done.deliveries) == (3, 3, 3)
    assert _send() == 3
    assert _in_crm(crm, "Original_Source__c") == ["facebook", "facebook", "instagram"]
    assert _in_crm(crm, "Latest_Channel__c") == ["Organic Social", "Paid Social", "Paid Social"]
    _assert_all_is_well()


def test_a_second_run_changes_nothing_in_any_table(company) -> None:
    capture(*META, source="meta")
    work()
    company.declare("meta", SAID, AFTER)
    replay_settled(source="meta")
    before = _all_tables()
    done = replay_settled(source="meta")
    assert (done.changed, done.people, done.deliveries, done.mapped_anew) == (0, 0, 0, 0)
    assert _all_tables() == before


def test_a_dry_run_tells_what_the_run_then_does_and_changes_no_row(company) -> None:
    capture(*META, *[_lead(number, job="Buyer") for number in range(4, 9)], source="meta")
    work()
    company.declare("meta", SAID, AFTER.replace("city: city}", "job_title: job, external_id: crm_id}"))
    before = _all_tables()
    tried = replay_settled(source="meta", is_dry_run=True, events_at_once=3)
    assert _all_tables() == before
    done = replay_settled(source="meta", events_at_once=3)
    tried.deliveries, done.deliveries = 0, 0
    assert tried == done
    assert (done.fields["job_title"], done.fields["city"], done.people) == (5, 8, 8)


def test_a_run_that_was_killed_half_way_is_run_again_and_ends_as_one_that_was_not(company) -> None:
    capture(*META, *[_lead(number) for number in range(4, 9)], source="meta")
    work()
    company.declare("meta", SAID, AFTER)

    class KilledError(Exception):
        pass

    def kill(done: Replayed, _leads: int) -> None:
        if done.read >= 4:
            raise KilledError

    with pytest.raises(KilledError):
        replay_settled(source="meta", events_at_once=2, on_progress=kill)
    assert sorted(source for source, _ in _origins()).count("(direct)") == 4
    assert replay_settled(source="meta", events_at_once=2).changed == 4
    assert not [source for source, _ in _origins() if source == "(direct)"]
    assert replay_settled(source="meta").changed == 0
    _assert_all_is_well()


@pytest.mark.parametrize("step", ["count_drift", "want_deliveries", "rebuild_touches"])
def test_a_run_that_ends_in_the_middle_of_a_batch_leaves_nothing_half_done(company, step, monkeypatch) -> None:
    capture({**META[0], "crm_id": "C-1"}, {**META[1], "crm_id": "C-1"}, source="meta")
    work()
    company.declare("meta", SAID, AFTER.replace("submission_id: id", "submission_id: id, external_id: crm_id"))
    from pipeline.recompute import lead_rewriting

    def fail(*_arguments: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    place = {
        "count_drift": lead_rewriting.drift,
        "want_deliveries": lead_rewriting,
        "rebuild_touches": lead_rewriting.people_moves,
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(place, step, fail)
        with pytest.raises(KeyboardInterrupt):
            replay_settled(source="meta")
    assert _origins() == [("(direct)", "Direct")] * 2
    done = replay_settled(source="meta")
    assert (done.changed, done.joined) == (2, 1)
    assert rows("SELECT wanted_version = version FROM people JOIN deliveries USING (person_id)"
                " WHERE merged_into IS NULL") == [(True,)]  # fmt: skip
    _assert_all_is_well()


def test_the_touch_of_a_revised_record_is_mended_too_and_what_it_said_before_stays_unsaid(company) -> None:
    (first,) = capture(META[0], source="meta")
    work()
    (later,) = capture({**META[0], "city": "Kiel", "job": "Buyer"}, source="meta")
    work()
    assert rows("SELECT event_id, source FROM touches") == [(first, "(direct)")]
    company.declare("meta", SAID, AFTER.replace("city: city}", "city: city, job_title: job}"))
    done = replay_settled(source="meta")
    assert done.read == 1, "what a revision took the place of is left out"
    assert rows("SELECT event_id, source FROM touches") == [(first, "facebook")]
    assert _origins() == [("facebook", "Paid Social")]
    assert _values(owner(later))["city"] == "Kiel"
    assert _values(owner(later))["job_title"] == "Buyer"
    assert replay_settled(source="meta").changed == 0
    _assert_all_is_well()


def test_what_a_human_set_for_a_lead_stays_when_it_is_mapped_anew(company) -> None:
    (event_id,) = capture({**META[0], "email": "nobody", "full_name": ""}, source="meta")
    work()
    ((quarantine_id,),) = rows("SELECT quarantine_id FROM quarantine WHERE event_id = %s", event_id)
    with transaction() as connection:
        assert quarantine.set_patch(connection, quarantine_id, {"email": "ada@sample.example"})
        assert quarantine.replay_events(connection, quarantine_ids=[quarantine_id]) == 1
    work()
    company.declare("meta", SAID, AFTER)
    done = replay_settled(source="meta")
    assert (done.changed, dict(done.stopped)) == (1, {})
    assert _values(owner(event_id))["email"] == "ada@sample.example"
    assert _origins() == [("facebook", "Paid Social")]


def test_a_lead_that_would_stop_today_keeps_what_it_was_and_is_listed(company) -> None:
    alone, kept, good = capture(
        {**META[0], "full_name": ""},
        {**META[1], "job": "Buyer", "full_name": ""},
        {**META[1], "id": "l:9", "phone_number": "+4930901820"},
        source="meta",
    )
    work()
    before = {event: _values(owner(event)) for event in (alone, kept, good)}
    company.declare("meta", SAID, AFTER.replace("email: email, ", "").replace("city: city}", "job_title: job}"))
    done = replay_settled(source="meta")
    assert sorted(lead.event_id for lead in done.stopped_leads) == sorted([alone, kept])
    assert {lead.what for lead in done.stopped_leads} == {"quarantined"}
    assert rows("SELECT DISTINCT state FROM events") == [("settled",)]
    assert _values(owner(alone)) == before[alone]
    assert _values(owner(kept))["email"] == before[kept]["email"]
    assert replay_settled(source="meta").changed == 0
    assert "settled" in run("explain", str(alone)).stdout


def test_values_of_a_lead_that_would_stop_stay_in_the_record_of_its_person(company) -> None:
    capture({**META[0], "phone_number": "+4930901820", "job": "Buyer"}, source="meta")
    (event_id,) = capture(
        {**META[0], "id": "l:7", "created_time": "2026-03-04T09:00:00Z", "ok": "yes", "city": "Kiel"}, source="meta"
    )
    work()
    mapping = AFTER.replace("city: city}", "city: city, job_title: job}").replace(", ok]", "]")
    company.declare("meta", SAID, mapping + "suppress:\n  test: [{from: ok, when: true}]\n")
    done = replay_settled(source="meta")
    assert [(lead.event_id, lead.what) for lead in done.stopped_leads] == [(event_id, "suppressed")]
    assert rows("SELECT DISTINCT state FROM events") == [("settled",)]
    values = _values(owner(event_id))
    assert (values["job_title"], values["city"]) == ("Buyer", "Kiel")
    assert rows("SELECT source FROM touches ORDER BY occurred_at") == [("facebook",), ("(direct)",)]
    assert replay_settled(source="meta").changed == 0


def test_what_the_mapping_reads_no_more_is_gone_from_the_person_and_the_crm_is_told(company, crm) -> None:
    (event_id,) = capture(META[0], source="meta")
    work()
    assert _send() == 1
    assert _in_crm(crm, "City") == ["Bonn"]
    company.declare("meta", SAID, BEFORE.replace(", city: city}", "}"))
    assert replay_settled(source="meta").destinations["crm"].fields == {"City": 1}
    assert "city" not in _values(owner(event_id))
    assert _send() == 1
    assert _in_crm(crm, "City") == [None]


def test_what_no_crm_reads_is_sent_to_none(company) -> None:
    capture(META[0], source="meta")
    work()
    assert _send() == 1
    company.declare("meta", SAID, BEFORE.replace("city: city}", "city: city, language: lang}"))
    capture({**META[1], "lang": "de"}, source="meta")
    work()
    assert _send() == 1
    company.declare("meta", SAID, BEFORE)
    done = replay_settled(source="meta")
    assert (dict(done.fields), done.deliveries) == ({"language": 1}, 0)


def test_an_id_that_the_mapping_reads_now_brings_those_together_who_were_two(company) -> None:
    one, other = capture({**META[0], "crm_id": "C-1"}, {**META[1], "crm_id": "C-1", "full_name": META[0]["full_name"]},
                         source="meta")  # fmt: skip
    work()
    assert owner(one) != owner(other)
    assert _send() == 2
    company.declare("meta", SAID, BEFORE.replace("submission_id: id", "submission_id: id, external_id: crm_id"))
    done = replay_settled(source="meta")
    assert (done.who, done.joined) == (2, 1)
    assert owner(one) == owner(other)
    assert _send() == 2, "the one they are, and the record that is marked"
    _assert_all_is_well()


def test_evidence_of_leads_that_settled_before_ids_counted_gains_the_id(company, monkeypatch) -> None:
    from pipeline.identity.matching import evidence

    mapping = BEFORE.replace("submission_id: id", "external_id: crm_id")
    company.declare("meta", SAID, mapping)
    with monkeypatch.context() as patch:
        patch.setattr(evidence, "_profiles", lambda _lead: ())
        (old,) = capture({**META[0], "crm_id": "C-1"}, source="meta")
        work()
    (new,) = capture({**META[1], "crm_id": "C-1", "full_name": META[0]["full_name"]}, source="meta")
    work()
    assert owner(old) != owner(new)
    done = replay_settled(source="meta")
    assert (done.who, done.joined, done.mapped_anew) == (1, 1, 0)
    assert owner(old) == owner(new)
    _assert_all_is_well()


def test_consents_become_what_the_mapping_reads_now_and_a_refusal_that_it_reads_no_more_stays(company) -> None:
    consents = "consent:\n  news: {purpose: marketing, channel: email, from: ok}\n"
    company.declare("meta", SAID, BEFORE.replace(", ok]", "]") + consents)
    yes, no = capture({**META[0], "ok": "yes"}, {**META[1], "ok": "no"}, source="meta")
    work()
    company.declare("meta", SAID, BEFORE)
    assert replay_settled(source="meta").consents == 1
    assert rows("SELECT event_id, granted FROM consents") == [(no, False)]
    company.declare("meta", SAID, BEFORE.replace(", ok]", "]") + consents)
    assert replay_settled(source="meta").consents == 1
    assert dict(rows("SELECT event_id, granted FROM consents")) == {yes: True, no: False}


def test_other_systems_hear_of_an_answer_that_is_read_as_another_one_now(company) -> None:
    read = "consent:\n  news: {purpose: marketing, channel: email, from: %s}\n"
    company.declare("meta", SAID, BEFORE.replace(", ok]", "]") + read % "ok")
    (event,) = capture({**META[0], "ok": "yes", "job": "no"}, source="meta")
    work()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO webhook_endpoints (name, events) VALUES ('crm', '{consent.granted,consent.refused}')"
        )
    company.declare("meta", SAID, BEFORE.replace("job, ", "") + read % "job")
    assert replay_settled(source="meta").consents == 1
    assert rows("SELECT event_id, granted FROM consents") == [(event, False)]
    assert rows("SELECT event, event_id FROM webhook_messages") == [("consent.refused", event)]


@pytest.mark.long
def test_leads_that_come_meanwhile_and_a_second_run_beside_it_end_as_if_one_after_the_other(company) -> None:
    capture(*[_lead(number, crm_id=f"C-{number % 7}") for number in range(30)], source="meta")
    work()
    company.declare("meta", SAID, AFTER.replace("submission_id: id", "submission_id: id, external_id: crm_id"))
    capture(*[_lead(number, crm_id=f"C-{number % 7}") for number in range(30, 60)], source="meta")
    tasks: list[Callable[[], object]] = [work, *[lambda: replay_settled(source="meta", events_at_once=5)] * 2]
    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(task) for task in tasks]:
            future.result()
    work()
    replay_settled(source="meta")
    assert {row[0] for row in rows("SELECT source FROM touches")} == {"facebook"}
    assert replay_settled(source="meta").changed == 0
    _assert_all_is_well()


def test_the_number_of_statements_depends_on_the_batches_and_not_on_the_leads(company) -> None:
    capture(*[_lead(number) for number in range(60)], source="meta")
    work()
    counts = []
    for size, mapping in ((60, AFTER), (60, BEFORE)):
        company.declare("meta", SAID, mapping)
        with count_statements() as seen:
            assert replay_settled(source="meta", events_at_once=size).changed == 60
        counts.append(seen.count)
    company.declare("meta", SAID, AFTER)
    with count_statements() as seen:
        replay_settled(source="meta", events_at_once=20)
    assert counts[0] == counts[1] < 40
    assert seen.count < 3 * counts[0]


def test_only_leads_of_the_brand_and_since_the_moment_asked_for_are_mapped_anew(company) -> None:
    capture(*META, source="meta")
    work()
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE events SET received_at = now() - interval '9 days'"
            " WHERE event_id = (SELECT event_id FROM events ORDER BY event_id OFFSET 1 LIMIT 1)"
        )
    company.declare("meta", SAID, AFTER)
    said = answer("leads", "replay", "--settled", "--source", "meta", "--since", "7d", "--brand", "default")
    assert (said["leads"], said["changed"]) == (2, 2)
    assert sorted(source for source, _ in _origins()) == ["(direct)", "facebook", "facebook"]


def test_the_command_tells_counts_and_names_and_no_value(company) -> None:
    (event_id, *_) = capture(*META, source="meta")
    work()
    company.declare("meta", SAID, AFTER)
    said = answer("leads", "replay", "--settled", "--source", "meta", "--dry-run")
    assert "afluente leads replay --settled --source meta" in run("explain", str(event_id)).stdout
    assert (said["dry_run"], said["mapped_anew"], said["people"]["changed"]) == (True, 3, 3)
    direct = {"source": "(direct)", "medium": "(none)", "channel": "Direct"}
    assert [(change["from"], change["to"]["source"], change["touches"]) for change in said["touches"]] == [
        (direct, "facebook", 1), (direct, "facebook", 1), (direct, "instagram", 1)
    ]  # fmt: skip
    assert said["destinations"]["crm"]["fields"]["Original_Channel__c"] == 3
    told = run("leads", "replay", "--settled", "--source", "meta").stdout
    assert "3 became other ones" in told
    assert "(direct) / (none), Direct" in told
    assert "sample1.example" not in told
    assert "afluente leads replay" not in run("explain", str(event_id)).stdout


def test_a_mapping_that_cannot_be_read_and_a_source_that_there_is_not_are_refused(company) -> None:
    capture(*META, source="meta")
    work()
    company.declare("meta", SAID, "lead: {nonsense: 1}\n")
    with pytest.raises(ConfigurationError, match="meta"):
        settled_leads.replay_settled(source="meta")
    assert "metta" in problem("leads", "replay", "--settled", "--source", "metta", code=2)
    assert "--settled" in problem("leads", "replay", "--source", "meta", code=2)


def test_revisions_that_stand_beside_each_other_have_their_one_touch_mended(company) -> None:
    """A webhook that nobody signs: its ids only add."""
    unsigned = 'intake=Webhook(), event_id="id", occurred_at="created_time"'
    company.declare("meta", unsigned, BEFORE)
    first, later = (capture({**META[0], "city": city}, source="meta")[0] for city in ("Bonn", "Kiel"))
    work()
    assert rows("SELECT event_id, source FROM touches") == [(first, "(direct)")]
    company.declare("meta", unsigned, AFTER)
    assert replay_settled(source="meta", events_at_once=1).read == 2
    assert rows("SELECT event_id, source FROM touches") == [(first, "facebook")]
    assert owner(first) == owner(later)
    assert _origins() == [("facebook", "Paid Social")]
    assert replay_settled(source="meta").changed == 0


def test_a_released_lead_stays_released_and_learns_as_the_others_do(company) -> None:
    company.declare("meta", SAID, BEFORE.replace(", ok]", "]") + "suppress:\n  test: [{from: ok, when: true}]\n")
    (event_id,) = capture({**META[0], "ok": "yes"}, source="meta")
    work()
    assert run("leads", "release", str(event_id), "--why", "their form says so of everybody").returncode == 0
    work()
    company.declare("meta", SAID, AFTER.replace(", ok]", "]") + "suppress:\n  test: [{from: ok, when: true}]\n")
    done = replay_settled(source="meta")
    assert (done.changed, dict(done.stopped)) == (1, {})
    assert _origins() == [("facebook", "Paid Social")]


def test_a_person_with_very_many_leads_is_not_read_again_with_each_batch(company) -> None:
    capture(
        *[_lead(number, email="info@sample.example", full_name="Ada Sample") for number in range(60)], source="meta"
    )
    work()
    assert len(_origins()) == 1
    company.declare("meta", SAID, AFTER)
    with count_statements() as seen:
        done = replay_settled(source="meta", events_at_once=4)
    assert (done.changed, done.people) == (60, 1)
    bodies = sum("event_bodies" in statement or "e.event_id, e.brand" in statement for statement in seen.statements)
    assert bodies <= 15 + 2, "each batch reads its own leads, and one of them all those of the person"
    assert _origins() == [("facebook", "Paid Social")]
