"""What holds of a person's consents, as records of their own: one a question, and what is withdrawn goes first."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.delivery import sender
from pipeline.delivery.sender import deliver
from pipeline.errors import ConfigurationError
from pipeline.identity.decisions import Decision
from pipeline.identity.merges import merge_people
from pipeline.identity.unmerges import unmerge_person
from pipeline.recompute.deliveries import backfill_destination
from pipeline.stages.destination_mapping.declarations import read_destination
from pipeline.store.deliveries.objects import want_absent
from pipeline.store.engine import count_statements, transaction
from tests.integration.delivery.test_named_facts import write_destination
from tests.integration.delivery.test_objects import open_crm, send
from tests.integration.delivery.test_sender import make_due_now
from tests.support.command_line import answer, capture, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.identity_rows import owner, rows
from tests.support.paths import ROOT

ME = Decision("vera")
PEOPLE = """
  contacts:
    of: person
    fields:
      last_name: {from: [last_name, full_name, email], required: true}
      email: {from: email, as: email}
"""


def consents_of_page(page: str) -> str:
    """What a page adds to a mapping for consents."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if "    of: consent\n" in block]
    return found


LINK = "    links: {contact_id: person}\n"
OF_PERSON = "      person_id: {from: person_id}\n"
CONSENTS = consents_of_page("sql.md").replace(LINK, "") + OF_PERSON
WHOLE = f"destination: whole\nversion: 1\nobjects:{PEOPLE}{CONSENTS}"
LINKED = WHOLE.replace("destination: whole", "destination: linked").replace(
    "    of: consent\n", f"    of: consent\n{LINK}"
)
ALONE = f"destination: alone\nversion: 1\nobjects:{PEOPLE}"
ADA = {"email": "ada@example.org", "full_name": "Ada Brandt"}
BEN = {"email": "ben@example.org", "full_name": "Ben Kairo"}


@pytest.fixture
def crm(request, database, redis_url, tmp_path, monkeypatch) -> Iterator[Any]:
    yield from open_crm("sql", request, tmp_path, monkeypatch)


@pytest.fixture
def company(crm, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    for sources in company_sources(tmp_path / "company", monkeypatch):
        for name, mapping in (("whole", WHOLE), ("linked", LINKED), ("alone", ALONE)):
            write_destination(sources, name, mapping)
        crm.configure(mapping="whole")
        yield sources


def says(person: dict[str, Any], granted: bool | None, at: str, **more: Any) -> dict[str, Any]:
    said = {"purpose": "marketing", "channel": "email", "granted": granted, "at": at, **more}
    return {**person, "occurred_at": at, "consents": [said]}


def come(*leads: dict[str, Any], lane: str = "hot") -> list[Any]:
    events = capture(*leads)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE events SET lane = %s WHERE state = 'pending'", (lane,))
    work()
    return [owner(event_id) for event_id in events]


def told(crm: Any) -> list[dict[str, Any]]:
    found = [record["fields"] for record in crm.records() if record["object"] == "consents"]
    return sorted(found, key=lambda row: (row["purpose"], row["channel"], row["contact_point"] or ""))


def states(crm: Any) -> list[str]:
    return [row["state"] for row in told(crm)]


def test_each_question_is_a_row_with_what_holds_of_it(company, crm):
    more = {"purpose": "newsletter", "channel": "phone", "granted": None}
    lead = says({**ADA, "phone": "+34 600 123 123"}, True, "2026-03-01T09:00:00Z", policy_version="2026-01")
    (ada,) = come({**lead, "consents": [*lead["consents"], more]})
    send()
    granted, unknown = told(crm)
    assert (granted["purpose"], granted["channel"], granted["state"]) == ("marketing", "email", "granted")
    assert (granted["contact_point"], granted["person_id"]) == ("ada@example.org", str(ada))
    assert (granted["policy_version"], granted["said_at"][:19]) == ("2026-01", "2026-03-01T09:00:00")
    assert (unknown["state"], unknown["contact_point"]) == ("unknown", "+34600123123")


def test_a_withdrawn_consent_stays_a_row_and_says_that_it_is_withdrawn(company, crm):
    come(says(ADA, True, "2026-03-01T09:00:00Z"), lane="bulk")
    send()
    (before,) = told(crm)
    assert rows("SELECT DISTINCT lane FROM deliveries WHERE destination = 'crm/consents'") == [("bulk",)]
    come(says(ADA, False, "2026-03-02T09:00:00Z"), lane="bulk")
    send()
    (after,) = told(crm)
    assert (before["afluente_id"], after["state"]) == (after["afluente_id"], "withdrawn")
    assert rows("SELECT DISTINCT lane FROM deliveries WHERE destination = 'crm/consents'") == [("hot",)]


def order_of_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the targets that calls are made to, as they are made."""
    made: list[str] = []
    call = sender.make_calls

    def noting(target, *arguments, **named):
        made.append(target.name)
        return call(target, *arguments, **named)

    monkeypatch.setattr(sender, "make_calls", noting)
    return made


@pytest.mark.parametrize("mapping", ["whole", "linked"])
@pytest.mark.parametrize("lane", ["hot", "bulk"])
def test_a_withdrawal_is_told_before_any_other_change_of_anybody_in_whichever_lane_the_sender_is(
    company, crm, monkeypatch, mapping, lane
):
    crm.configure(mapping=mapping)
    come(says(ADA, True, "2026-03-01T09:00:00Z"), BEN)
    send()
    made = order_of_calls(monkeypatch)
    come(
        {**BEN, "full_name": "Ben Kairo-Moss"},
        says({**ADA, "full_name": "Ada B. Brandt"}, False, "2026-03-02T09:00:00Z"),
    )
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET lane = %s WHERE destination = 'crm' AND state = 'due'", (lane,)
        )
    deliver("crm", lane, budget_seconds=5)
    assert made[:2] == ["crm/consents", "crm"]
    assert states(crm) == ["withdrawn"]


def test_a_withdrawal_that_comes_while_a_backlog_of_people_is_sent_overtakes_it(company, crm, monkeypatch):
    come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    crm.configure(mapping="whole", batch_size=2)
    come(*({"email": f"p{number}@example.org", "full_name": f"Pat Moss-{number}"} for number in range(8)))
    made = order_of_calls(monkeypatch)
    noting = sender.make_calls

    def withdrawing(target, *arguments, **named):
        if made == ["crm"]:  # a second batch would be next
            come(says(ADA, False, "2026-03-02T09:00:00Z"))
        return noting(target, *arguments, **named)

    monkeypatch.setattr(sender, "make_calls", withdrawing)
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=5)
    assert made.index("crm/consents") == 2
    assert made.count("crm") >= 4


def test_withdrawals_are_claimed_before_what_others_grant(company, crm, monkeypatch):
    people = [{"email": f"p{number}@example.org", "full_name": f"Pat Moss-{number}"} for number in range(4)]
    come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    crm.configure(mapping="whole", batch_size=1)
    come(*(says(person, True, "2026-03-01T09:00:00Z") for person in people))
    come(says(ADA, False, "2026-03-02T09:00:00Z"))
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET lane = 'hot' WHERE destination = 'crm/consents'")
    first: list[str] = []
    call = sender.make_calls

    def noting(target, writer, claimed, prepared, **named):
        first.extend(record.fields["state"] for record in prepared.records if "state" in record.fields)
        return call(target, writer, claimed, prepared, **named)

    monkeypatch.setattr(sender, "make_calls", noting)
    deliver("crm", "hot", budget_seconds=5)
    assert first[0] == "withdrawn"
    assert first.count("granted") == 4


def test_what_else_is_wanted_of_a_person_waits_until_their_withdrawal_was_told(company, crm):
    (ada,) = come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    come(says({**ADA, "full_name": "Ada Moss"}, False, "2026-03-02T09:00:00Z"))
    with transaction() as connection:  # another sender has it in hand
        connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'in_flight', claim = gen_random_uuid(), lease_until = now() + interval '1 h'"
            " WHERE destination = 'crm/consents'"
        )
    for lane in ("hot", "bulk"):
        deliver("crm", lane, budget_seconds=2)
    [(state, said)] = rows("SELECT state, last_error FROM deliveries WHERE destination = 'crm'")
    assert (state, said) == ("due", "waits: for its withdrawal")
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'due' WHERE destination = 'crm/consents'")
    deliver("crm", "hot", budget_seconds=2)
    deliver("crm", "bulk", budget_seconds=2)  # woken, without a sweep
    assert rows("SELECT DISTINCT state FROM deliveries") == [("sent",)]
    assert str(ada) in {record["id"] for record in crm.records()}


# In the CRM itself: what holds of a person's consent there at the moment in which their record changes.
_WATCH = """
CREATE TABLE seen (state text);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen SELECT state FROM afluente.consents c WHERE c.person_id = NEW.afluente_id;
    RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE ON afluente.contacts FOR EACH ROW EXECUTE FUNCTION watch();
"""


@pytest.mark.long
@pytest.mark.parametrize("mapping", ["whole", "linked"])
def test_with_several_senders_at_once_no_record_changes_before_its_persons_withdrawal_is_there(company, crm, mapping):
    crm.configure(mapping=mapping, batch_size=3)
    people = [{"email": f"p{number}@example.org", "full_name": f"Pat Moss-{number}"} for number in range(24)]
    come(*(says(person, True, "2026-03-01T09:00:00Z") for person in people), lane="bulk")
    send()
    crm.target.execute(_WATCH)
    is_over = threading.Event()
    failed: list[BaseException] = []

    def keep_sending(lane: str) -> None:
        try:
            while not is_over.is_set():
                deliver("crm", lane, budget_seconds=0.2)
        except BaseException as error:
            failed.append(error)
            raise

    senders = [threading.Thread(target=keep_sending, args=(lane,)) for lane in ("hot", "bulk", "bulk")]
    for thread in senders:
        thread.start()
    for person in people:
        moved = {**person, "full_name": person["full_name"].replace("Moss", "Brandt")}
        come(says(moved, False, "2026-03-02T09:00:00Z"), lane="bulk")
    is_over.set()
    for thread in senders:
        thread.join()
    send()
    assert failed == []
    assert states(crm) == ["withdrawn"] * len(people)
    assert crm.target.execute("SELECT state, count(*) FROM seen GROUP BY state") == [("withdrawn", len(people))]


def test_a_consent_that_leads_to_its_person_waits_for_that_and_a_new_persons_refusal_too(company, crm):
    crm.configure(mapping="linked")
    come(says(ADA, False, "2026-03-01T09:00:00Z"), says(BEN, True, "2026-03-01T09:00:00Z"))
    deliver("crm", "hot", budget_seconds=5)
    deliver("crm", "bulk", budget_seconds=5)
    assert [(row["state"], row["contact_id"]) for row in told(crm)] == [
        ("denied", told(crm)[0]["person_id"]),
        ("granted", told(crm)[1]["person_id"]),
    ]


def test_what_says_nothing_new_of_consent_makes_no_call(company, crm, monkeypatch):
    come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    made = order_of_calls(monkeypatch)
    come({**ADA, "job_title": "Lighthouse keeper"})
    send()
    assert "crm/consents" not in made
    [code] = rows("SELECT code FROM delivery_log WHERE destination = 'crm/consents' ORDER BY id DESC LIMIT 1")
    assert code == ("unchanged",)


def test_of_two_who_turn_out_to_be_one_both_records_say_the_strictest_and_lead_to_who_stays(company, crm):
    crm.configure(mapping="linked")
    ada, ben = come(says(ADA, True, "2026-03-01T09:00:00Z"), says(BEN, False, "2026-03-01T09:00:00Z"))
    send()
    merge_people(ada, ben, ME)
    send()
    (stays,) = [row[0] for row in rows("SELECT person_id FROM people WHERE merged_into IS NULL")]
    assert {row["contact_id"] for row in told(crm)} == {str(stays)}
    assert states(crm) == ["denied", "denied"]
    gone = next(person for person in (ada, ben) if person != stays)
    assert {row["person_id"]: row["merged_into"] for row in told(crm)} == {str(stays): None, str(gone): str(stays)}
    unmerge_person(gone, ME)
    send()
    assert {row["person_id"]: (row["state"], row["contact_id"], row["merged_into"]) for row in told(crm)} == {
        str(ada): ("granted", str(ada), None),
        str(ben): ("denied", str(ben), None),
    }


def test_who_is_to_be_forgotten_leaves_no_consent_behind(company, crm):
    ada, ben = come(says(ADA, True, "2026-03-01T09:00:00Z"), says(BEN, True, "2026-03-01T09:00:00Z"))
    send()
    with transaction() as connection:
        want_absent(connection, [ada])
    send()
    assert [row["person_id"] for row in told(crm)] == [str(ben)]


def test_a_backfill_tells_what_was_said_before_and_what_a_new_mapping_makes_of_it(company, crm):
    crm.configure(mapping="alone")
    come(says(ADA, True, "2026-03-01T09:00:00Z"), says(BEN, False, "2026-03-01T09:00:00Z"))
    send()
    assert told_rows() == 0
    crm.configure(mapping="whole")
    assert backfill_destination("crm", ["default"], is_dry_run=True).wanted == 2
    assert backfill_destination("crm", ["default"]).wanted == 2
    send()
    assert states(crm) == ["granted", "denied"]
    assert backfill_destination("crm", ["default"]).wanted == 0
    write_destination(company, "whole", WHOLE.replace("version: 1", "version: 2"))
    assert backfill_destination("crm", ["default"]).wanted == 0
    worded = WHOLE.replace("{from: state,", "{from: state, values: {granted: yes_please},")
    write_destination(company, "whole", worded)
    assert backfill_destination("crm", ["default"]).wanted == 1
    send()
    assert states(crm) == ["yes_please", "denied"]


def told_rows() -> int:
    return rows("SELECT count(*) FROM deliveries WHERE destination = 'crm/consents'")[0][0]


def test_explain_and_preview_show_each_consent_beside_the_person(company, crm):
    (ada,) = come(says(ADA, True, "2026-03-01T09:00:00Z"))
    shown = {found["destination"]: found for found in answer("deliveries", "preview", str(ada))["deliveries"]}
    fields = {field["field"]: field["value"] for field in shown["crm/consents"]["fields"]}
    assert (shown["crm/consents"]["subject"], fields["state"]) == ("consent", "granted")
    assert fields["contact_point"] == "ada@example.org"
    send()
    calls = {found["destination"]: found["calls"] for found in answer("explain", str(ada))["deliveries"]}
    assert [call["outcome"] for call in calls["crm/consents"]] == ["sent"]


def test_the_table_of_consents_is_made_by_setup(company, crm):
    crm.configure(mapping="whole", options={})
    done = run("destination", "setup", "crm")
    assert done.returncode == 0, done.stderr
    come(says(ADA, True, "2026-03-01T09:00:00Z"))
    send()
    assert states(crm) == ["granted"]


def test_where_consents_are_no_records_a_batch_costs_the_statements_it_cost_before(company, crm):
    def statements_of(mapping: str, person: str) -> tuple[int, int]:
        crm.configure(mapping=mapping)
        capture(says({**ADA, "email": f"{person}@example.org"}, True, "2026-03-01T09:00:00Z"))
        with count_statements() as wanting:
            work()
        make_due_now()
        with count_statements() as sending:
            deliver("crm", "hot", budget_seconds=5)
            deliver("crm", "bulk", budget_seconds=5)
        return wanting.count, sending.count

    statements_of("alone", "first")
    statements_of("whole", "second")
    alone, whole = statements_of("alone", "third"), statements_of("whole", "fourth")
    assert alone == (46, 10)  # as before there were records of consents
    assert whole[0] == alone[0] + 3  # people are held, what they were asked is noted and wanted


def test_a_mapping_with_consents_in_two_objects_or_of_what_is_not_known_is_refused(tmp_path):
    for broken, said in (
        (WHOLE + CONSENTS.replace("  consents:", "  more:", 1), "several objects `of: consent`"),
        (WHOLE.replace("{from: state,", "{from: granted,"), "of a consent"),
        (
            LINKED.replace("{contact_id: person}", "{contact_id: company}").replace("linked", "whole"),
            "links.contact_id",
        ),
    ):
        path = tmp_path / "whole.yaml"
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(ConfigurationError) as refused:
            read_destination(path)
        assert said in str(refused.value)


def test_a_withdrawal_of_an_address_that_two_people_have_is_told_of_both(company, crm):
    info = {"email": "info@acme.example.org"}
    first, second = ({**person, **info} for person in (ADA, BEN))
    ada, ben = come(says(first, True, "2026-03-01T09:00:00Z"), says(second, True, "2026-03-01T09:00:00Z"))
    send()
    assert (ada != ben, states(crm)) == (True, ["granted", "granted"])
    said = says(info, False, "2026-03-02T09:00:00Z", act="withdrawal")
    capture({"says": "consent", **said}, source="consents")
    work()
    send()
    assert states(crm) == ["withdrawn", "withdrawn"]
    (cem,) = come(says({**info, "full_name": "Cem Third"}, True, "2026-03-03T09:00:00Z"))
    send()
    assert (cem not in (ada, ben), states(crm)) == (True, ["withdrawn"] * 3)
