"""An installation from before evidence was kept keeps its people: the same ids, one record each, whoever comes again.

What the version before wrote is written here by hand, on its tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest
from alembic import command

from pipeline import flow, replay
from pipeline.crypto.encryption import seal_envelope
from pipeline.errors import ConfigurationError, TransientError
from pipeline.health.service_checks import check_database
from pipeline.identity.matching.rules import identity_rules
from pipeline.lanes import LANES
from pipeline.recompute import people as recompute_people
from pipeline.records import Envelope, Lead, Profile, RawEvent, new_id
from pipeline.settings.loading import settings
from pipeline.stages.mapping.source_mapping import SOURCE_MAPPINGS
from pipeline.stages.survivorship.survivorship import merge_profile
from pipeline.store import schema
from pipeline.store.engine import engine, transaction
from pipeline.store.people import people as people_rows
from tests.support.command_line import capture, run, work
from tests.support.identity_rows import owner, people, rows
from tests.support.people_checks import assert_all_follows, assert_people_are_those_of_all_evidence
from tests.support.services import API_KEYS, SECRET_KEYS, forget_caches

ADA = {"full_name": "Ada Sample", "email": "ada@sample.example"}
ADA_BY_PHONE = {"full_name": "Ada Sample", "phone": "+34 612 345 001"}
BEA = {"full_name": "Bea Fulano", "email": "bea@fulano.example"}


NOON = "2026-03-01T12:00:00Z"
SILENT = {"first_name": "Nobody"}


class Killed(BaseException):
    pass


@pytest.fixture
def before(empty_database, services, monkeypatch) -> Iterator[None]:
    """A database with the tables of the version before."""
    for name, value in {
        "AFLUENTE_SECRET_KEYS": SECRET_KEYS,
        "AFLUENTE_DATABASE_URL": empty_database,
        "AFLUENTE_API_KEYS": API_KEYS,
        "AFLUENTE_DATA": str(services.data),
    }.items():
        monkeypatch.setenv(name, value)
    forget_caches()
    config = schema._alembic_config()
    with engine().connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.commit()
    with transaction() as connection:
        schema.ensure_partitions(connection)
        schema.keyring.ensure_index_key(connection)
    yield
    forget_caches()


def stored_before(record: dict[str, object]) -> RawEvent:
    """A lead of the API in the columns that there were."""
    event_id, at = new_id(), datetime.now(UTC)
    envelope = Envelope("application/json", orjson.dumps(record), {}, {"via": "api", "key": "tests"})
    key = ("default", "api", event_id.bytes * 2, event_id)
    with transaction() as connection:
        for statement, values in (
            ("INSERT INTO event_keys (brand, source, digest, event_id) VALUES (%s, %s, %s, %s)", key),
            ("INSERT INTO events (event_id, brand, source, lane) VALUES (%s, 'default', 'api', 'hot')", (event_id,)),
            (
                "INSERT INTO event_bodies (event_id, sealed) VALUES (%s, %s)",
                (event_id, seal_envelope(envelope, event_id)),
            ),
        ):
            connection.exec_driver_sql(statement, values)
    return RawEvent(event_id, "default", "api", "hot", at, None, envelope)


def settled_before(*groups: list[dict[str, object]], state: str = "settled") -> list[UUID]:
    """People with the leads they were made of, as the version before left them: sent to the CRM, if settled."""
    made = []
    for records in groups:
        person_id = new_id()
        raws = [stored_before({"message": str(new_id()), "occurred_at": NOON, **record}) for record in records]
        events = [raw.event_id for raw in raws]
        with transaction() as connection:
            profile = Profile()
            for raw in raws:
                mapped = replay.map_raw_event(raw, None)
                lead = replay.normalize_mapped(mapped) if isinstance(mapped, Lead) else mapped
                if isinstance(lead, Lead):
                    profile, _ = merge_profile(profile, lead)
            connection.exec_driver_sql(
                "INSERT INTO people (person_id, brand, version, profile, touches) VALUES (%s, 'default', 1, %s, %s)",
                (person_id, people_rows.seal_profile(profile, person_id), len(events)),
            )
            connection.exec_driver_sql(
                "INSERT INTO match_keys (brand, kind, digest, person_id, first_event)"
                " VALUES ('default', 'email', %s, %s, %s)",
                (person_id.bytes, person_id, events[0]),
            )
            for event_id in events:
                connection.exec_driver_sql(
                    "INSERT INTO touches (event_id, person_id, brand, occurred_at, source, channel)"
                    " VALUES (%s, %s, 'default', %s, 'direct', 'direct')",
                    (event_id, person_id, datetime(2026, 3, 1, 9, tzinfo=UTC)),
                )
            if state == "settled":
                connection.exec_driver_sql(
                    "UPDATE events SET state = 'settled', person_id = %s, settled_at = now()"
                    " WHERE event_id = ANY(%s::uuid[])",
                    (person_id, "{" + ",".join(map(str, events)) + "}"),
                )
                connection.exec_driver_sql(
                    "INSERT INTO deliveries (destination, person_id, brand, lane, wanted_version, sent_version, state,"
                    " external_id, claim) VALUES ('sandbox', %s, 'default', 'bulk', 1, 1, 'sent', %s, %s)",
                    (person_id, str(person_id), new_id()),
                )
        made.append(person_id)
    return made


def upgrade() -> None:
    schema.migrate(engine())
    recompute_people.finish_upgrade()


def records() -> dict[UUID, str]:
    return dict(rows("SELECT person_id, external_id FROM deliveries"))


def assert_all_is_well() -> None:
    assert rows("SELECT * FROM unfinished_upgrades") == []
    assert rows("SELECT event_id FROM touches EXCEPT SELECT event_id FROM evidence_events") == []
    assert rows("SELECT evidence_id FROM evidence EXCEPT SELECT evidence_id FROM evidence_events") == []
    assert_people_are_those_of_all_evidence("default", identity_rules())
    assert_all_follows("default")


@pytest.mark.usefixtures("before")
def test_a_known_person_who_comes_again_after_the_upgrade_is_the_same_one():
    ada, bea = settled_before([ADA, {**ADA, **ADA_BY_PHONE}, ADA], [BEA])
    versions = rows("SELECT person_id, version FROM people ORDER BY 1")
    upgrade()
    assert rows("SELECT person_id, version FROM people ORDER BY 1") == versions
    assert rows("SELECT * FROM identity_log") == []
    assert_all_is_well()
    events = capture(ADA_BY_PHONE, {**BEA, "job_title": "CTO"})
    work()
    assert [owner(event) for event in events] == [ada, bea]
    assert rows("SELECT person_id FROM people ORDER BY 1") == [(ada,), (bea,)]
    assert records() == {ada: str(ada), bea: str(bea)}
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_leads_wait_until_the_evidence_of_before_is_filed():
    (ada,) = settled_before([ADA])
    schema.migrate(engine())
    (event,) = capture({**ADA, "job_title": "CTO"})
    claimed = next(filter(None, map(flow.claim_batch, LANES)))
    with pytest.raises(TransientError, match="afluente migrate"):
        flow.deduplicate_batch(flow.normalize_batch(flow.map_claim(claimed)))
    assert [check.ok for check in check_database(settings()) if check.name == "migrations"] == [False]
    flow.give_back(claimed.claim_id, is_lost=False)
    recompute_people.finish_upgrade()
    assert [check.ok for check in check_database(settings()) if check.name == "migrations"] == [True]
    work()
    assert owner(event) == ada
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_a_lead_that_a_worker_of_before_was_at_begins_again():
    """Its person was found without evidence; whoever went on with that would leave a person that nobody knows."""
    upgrade()
    (event,) = capture(ADA)
    claimed = next(filter(None, map(flow.claim_batch, LANES)))
    batch = flow.normalize_batch(flow.map_claim(claimed))
    batch.leads[0].person_id = new_id()
    for step in (flow.attribute_batch, flow.load_batch):
        with pytest.raises(TransientError, match="begins again"):
            step(batch)
    flow.give_back(claimed.claim_id, is_lost=False)
    work()
    assert people().keys() == {owner(event)}
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_what_workers_of_before_settle_while_it_runs_is_filed_as_well():
    (ada,) = settled_before([ADA, BEA])
    with transaction() as connection:
        late = connection.exec_driver_sql("SELECT event_id FROM touches ORDER BY 1 DESC LIMIT 1").scalar()
        connection.exec_driver_sql("DELETE FROM touches WHERE event_id = %s", (late,))
    schema.migrate(engine())

    def settle(*_):
        with transaction() as connection:
            connection.exec_driver_sql(
                "INSERT INTO touches (event_id, person_id, brand, occurred_at, source, channel)"
                " VALUES (%s, %s, 'default', now(), 'direct', 'direct') ON CONFLICT DO NOTHING",
                (late, ada),
            )

    recompute_people.finish_upgrade(on_progress=settle)
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_nobody_comes_apart_for_a_moment_while_evidence_is_looked_at_piece_by_piece():
    """The first and the last lead of each share nothing: only the one between them holds them together."""
    ids = settled_before(
        *(
            [
                {"full_name": f"Ada Sample{letter}", "email": f"ada@sample{letter}.example"},
                {"full_name": f"Ada Sample{letter}", "email": f"ada@sample{letter}.example", "phone": phone},
                {"full_name": f"Ada Sample{letter}", "phone": phone},
            ]
            for letter, phone in ((letter, f"+34 612 {ord(letter):03} {ord(letter):03}") for letter in "abcdefghijkl")
        )
    )
    schema.migrate(engine())
    recompute_people.recompute_people(pieces_at_once=1)
    assert {person: len(pieces) for person, pieces in people().items()} == dict.fromkeys(ids, 3)
    assert rows("SELECT * FROM identity_log") == []
    recompute_people.finish_upgrade()
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_migrate_does_it_all_and_says_when_it_is_not_done():
    (ada,) = settled_before([ADA])
    schema.migrate(engine())
    assert run("migrate", "--check").returncode == 1
    assert run("migrate").returncode == 0
    assert run("migrate", "--check").returncode == 0
    assert people().keys() == {ada}
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_who_was_joined_without_reason_comes_apart_and_the_older_id_stays_with_the_first_lead():
    (one,) = settled_before([ADA, BEA])
    upgrade()
    assert len(people()) == 2
    assert owner(min(rows("SELECT event_id FROM events"))[0]) == one
    assert [row[0] for row in rows("SELECT action FROM identity_log")] == ["split"]
    assert records().keys() == people().keys()
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_two_people_whose_leads_say_the_same_become_the_older_one_and_the_record_of_the_other_is_marked():
    ada, again, third = settled_before([ADA], [ADA, ADA], [{**ADA, "job_title": "CTO"}, BEA])
    upgrade()
    assert people().keys() == {ada, third}
    assert rows("SELECT person_id, merged_into FROM people WHERE merged_into IS NOT NULL") == [(again, ada)]
    assert rows("SELECT wanted_version > sent_version FROM deliveries WHERE person_id = %s", again) == [(True,)]
    assert rows("SELECT count(*) FROM touches WHERE person_id = %s", ada) == [(4,)]
    assert_all_is_well()
    capture({**ADA, "phone": "+34 612 345 001"})
    work()
    assert people().keys() == {ada, third}
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_ids_that_have_no_evidence_of_their_own_forward_on_when_their_person_is_merged():
    phone, ada, again = settled_before([ADA_BY_PHONE], [ADA], [ADA])
    upgrade()
    assert rows("SELECT merged_into FROM people WHERE person_id = %s", again) == [(ada,)]
    capture({**ADA, **ADA_BY_PHONE})
    work()
    assert rows("SELECT person_id, merged_into FROM people ORDER BY 1") == [
        (phone, None),
        (ada, phone),
        (again, phone),
    ]
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_leads_that_give_nothing_any_more_stay_with_their_people():
    ada, nobody = settled_before([SILENT, ADA, SILENT], [SILENT, SILENT])
    upgrade()
    assert people().keys() == {ada, nobody}
    assert rows("SELECT person_id, count(*) FROM events GROUP BY 1 ORDER BY 1") == [(ada, 3), (nobody, 2)]
    assert rows("SELECT * FROM identity_log") == []
    capture(ADA, {"full_name": "Carl Mustermann", "email": "carl@mustermann.example"})
    work()
    assert len(people()) == 3
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_a_wrong_mapping_stops_it_before_anybody_is_forgotten(monkeypatch):
    settled_before([ADA])
    schema.migrate(engine())

    def wrong(*_):
        raise ConfigurationError("wrong")

    with monkeypatch.context() as patch:
        patch.setattr(SOURCE_MAPPINGS, "_compiled", {})
        patch.setattr(SOURCE_MAPPINGS, "_stamps", {})
        patch.setattr(SOURCE_MAPPINGS, "_wrong", {})
        patch.setattr(SOURCE_MAPPINGS, "_compile", wrong)
        with pytest.raises(ConfigurationError, match="wrong"):
            recompute_people.finish_upgrade()
    assert rows("SELECT * FROM evidence") == []
    recompute_people.finish_upgrade()
    assert_all_is_well()


@pytest.mark.usefixtures("before")
def test_leads_that_were_under_way_make_one_person_each():
    """One had its touch already, the other only its person."""
    (ada,) = settled_before([ADA], state="in_flight")
    unborn = new_id()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO people (person_id, brand, version, profile) VALUES (%s, 'default', 1, %s)",
            (unborn, people_rows.seal_profile(Profile(), unborn)),
        )
    stored_before(BEA)
    upgrade()
    work()
    assert len(rows("SELECT * FROM people")) == 2
    assert ada in people()
    assert_all_is_well()


@pytest.mark.short(4)
@pytest.mark.parametrize("kill_at", range(1, 12))
@pytest.mark.usefixtures("before")
def test_killed_at_any_commit_and_run_again_it_comes_to_the_same(kill_at, monkeypatch):
    ids = settled_before([ADA, {**ADA, **ADA_BY_PHONE}], [ADA, SILENT], [BEA, ADA_BY_PHONE], [SILENT])
    schema.migrate(engine())
    seen = 0

    def count(*_):
        nonlocal seen
        seen += 1
        if seen == kill_at:
            raise Killed

    with suppress(Killed):
        recompute_people.recompute_people(pieces_at_once=1, events_at_once=1, on_filing=count, on_progress=count)
    recompute_people.finish_upgrade()
    ada, again, bea, nobody = ids
    assert people().keys() == {ada, bea, nobody}
    forwards = dict(rows("SELECT person_id, merged_into FROM people WHERE merged_into IS NOT NULL"))
    assert {person: target for person, target in forwards.items() if person in ids} == {again: ada}
    assert records().keys() == set(ids)
    assert_all_is_well()
