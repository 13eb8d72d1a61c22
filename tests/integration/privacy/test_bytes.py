"""After erasure and sweep no byte of somebody is in any file of the data folder; before the sweep there are many.

What is looked for is what the installation really wrote of a marker person: her values where they stand in clear, the
ciphertexts of her rows, the digests she is found by, and the message that carried her.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import redis

from pipeline.app import app
from pipeline.crypto.encryption import seal_batch
from pipeline.messages import SealedBatch
from pipeline.privacy import erasure
from pipeline.privacy.ledger import read_ledger
from pipeline.privacy.subjects import Asked
from pipeline.privacy.sweeping import Swept, sweep
from pipeline.records import Batch, new_id
from pipeline.settings.loading import settings
from pipeline.store import remains, schema
from pipeline.store.engine import engine, transaction
from pipeline.supervisor.embedded import Embedded
from tests.support import command_line
from tests.support.command_line import capture, work
from tests.support.identity_rows import owner, rows
from tests.support.services import API_KEYS, SECRET_KEYS, forget_caches

MARKER = "quetzalcoatl7f3a"
ADA = {
    "external_id": f"id-{MARKER}",
    "email": f"wilhelmina.{MARKER}@example.com",
    "full_name": f"Wilhelmina {MARKER}",
    "phone": "+442079461739",
    "company": "Example Ltd",
    "message": f"call me, {MARKER} " * 300,  # too long for its page: kept beside the table
    "page_url": f"https://example.org/path-{MARKER}?utm_content=content-{MARKER}&gclid=click-{MARKER}",
    "form_name": f"form-{MARKER}",
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True}],
}
_ALL = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"


@pytest.fixture
def data(tmp_path, monkeypatch) -> Iterator[Path]:
    """The data folder of servers of this test's own, as `afluente up` sets them up but for the waiting for disks."""
    servers = Embedded(tmp_path / "data", postgresql_settings={"fsync": "off"})
    servers.start()
    try:
        for name in ("AFLUENTE_DATABASE_URL", "AFLUENTE_BROKER_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AFLUENTE_SECRET_KEYS", SECRET_KEYS)
        monkeypatch.setenv("AFLUENTE_API_KEYS", API_KEYS)
        monkeypatch.setenv("AFLUENTE_DATA", str(servers.data))
        forget_caches()
        schema.migrate(engine())
        yield servers.data
    finally:
        forget_caches()
        servers.stop()


def come_in() -> UUID:
    """The marker person among others, three times, sent to a CRM, and in a message that a worker took."""
    for number in range(30):
        capture(
            {
                "email": f"other{number}@example.org",
                "full_name": f"Other Person{number}",
                "page_url": "https://a.example/",
            }
        )
    work()
    command_line.deliver()
    (event_id,) = capture(ADA)
    capture({**ADA, "external_id": f"again-{MARKER}"}, {**ADA, "external_id": f"third-{MARKER}", "page_url": None})
    work()
    command_line.deliver(message=f"answer-{MARKER}")
    return owner(event_id)


def carry() -> bytes:
    """A batch that goes through Redis to a worker; gives a piece of the message."""
    batch = Batch(claim_id=new_id(), lane="hot")
    sealed = seal_batch(batch)
    app.conf.broker_url = settings().broker_url
    app.send_task("leads.normalize", args=[SealedBatch(batch.claim_id, "hot", 0, sealed)], queue="hot")
    with redis.Redis(unix_socket_path=settings().broker_url.removeprefix("redis+socket://")) as client:
        _, message = client.blpop("hot", 5)
    return json.loads(message)["body"][-60:-20].encode()


def needles_of(person_id: UUID) -> dict[str, bytes]:
    """What is written of her, by where it stands: a piece of each, short enough to lie in one page."""
    found = {"a value in clear": MARKER.encode()}
    mine = "SELECT event_id FROM events WHERE person_id = %s"
    for name, statement in {
        "body": f"SELECT sealed FROM event_bodies WHERE event_id IN ({mine})",
        "profile": "SELECT profile FROM people WHERE person_id = %s",
        "evidence": "SELECT sealed FROM evidence WHERE person_id = %s",
        "digest of an id": f"SELECT digest FROM event_keys WHERE event_id IN ({mine})",
    }.items():
        for number, (value,) in enumerate(rows(statement, person_id)):
            found[f"{name} {number}"] = bytes(value)[16:40]
    for number, (key,) in enumerate(
        rows("SELECT k.key FROM evidence_keys k JOIN evidence e USING (evidence_id) WHERE e.person_id = %s", person_id)
    ):
        found[f"key {number}"] = struct.pack("<q", key)
    return found


def erase() -> None:
    """As she asked for, until the CRM has answered."""
    request = erasure.erase(Asked(email=str(ADA["email"])), by="vera")
    erasure.advance(request.request_id)
    command_line.deliver()
    assert erasure.advance(request.request_id).state == "done"


def files_holding(data: Path, needles: dict[str, bytes]) -> dict[str, list[str]]:
    """By needle the files that have it."""
    found: dict[str, list[str]] = {}
    for path in sorted(data.rglob("*")):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            for name, needle in needles.items():
                if needle in content:
                    found.setdefault(name, []).append(str(path.relative_to(data)))
    return found


def rewritten(swept: Swept) -> set[str]:
    return {table.table for table in swept.tables if table.way == "rewritten"}


@pytest.mark.long
def test_after_erasure_and_sweep_nothing_of_somebody_is_in_any_file(data):
    person_id = come_in()
    needles = {**needles_of(person_id), "message": carry()}
    with transaction() as connection:
        connection.exec_driver_sql("ANALYZE")
    assert files_holding(data, needles).keys() == needles.keys()
    erase()
    # Of the addresses that nobody is to be known by again keyed digests are kept, for as long as that is to hold.
    suppressed = {struct.pack("<q", key) for (key,) in rows("SELECT key FROM suppressions")}
    needles = {name: needle for name, needle in needles.items() if needle not in suppressed}
    with transaction() as connection:
        connection.exec_driver_sql("CHECKPOINT")
    left = files_holding(data, needles)
    assert left.keys() == needles.keys(), "deleted rows are still there: the search finds what the sweep must remove"
    swept = sweep()
    assert files_holding(data, needles) == {}
    assert swept.is_whole
    assert rewritten(swept) == {name for (name,) in rows(_ALL)}
    assert (swept.redis, swept.problems, swept.elsewhere) == ("rewritten", [], [])
    assert rows("SELECT state, count(*) FROM events GROUP BY 1 ORDER BY 1") == [("settled", 30), ("suppressed", 3)]
    assert read_ledger().lines[0].entry.person_ids == (person_id,)


@pytest.mark.usefixtures("database")
def test_values_that_got_into_the_statistics_are_taken_out():
    with transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE delivery_log ALTER COLUMN message SET STATISTICS -1")
        connection.exec_driver_sql(
            "INSERT INTO delivery_log (destination, person_id, version, outcome, message, call_id)"
            " SELECT 'crm', gen_random_uuid(), 1, 'sent', %s, gen_random_uuid() FROM generate_series(1, 50)",
            (MARKER,),
        )
        connection.exec_driver_sql("ANALYZE delivery_log")
    values = "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'delivery_log' AND attname = 'message'"
    assert rows(values) == [(f"{{{MARKER}}}",)]
    with transaction() as connection:
        assert remains.keep_out_of_statistics(connection) == 1
        assert remains.keep_out_of_statistics(connection) == 0
    assert rows(values) == []
    with transaction() as connection:
        connection.exec_driver_sql("ANALYZE delivery_log")
    assert rows(values) == []


@pytest.mark.usefixtures("database")
def test_every_month_to_come_keeps_values_out_of_the_statistics():
    with transaction() as connection:
        made = schema.ensure_partitions(connection, months_ahead=6)
        assert made
        assert remains.keep_out_of_statistics(connection) == 0
    targets = rows(
        "SELECT DISTINCT attstattarget FROM pg_attribute JOIN pg_class ON oid = attrelid"
        " WHERE relname LIKE 'event_bodies%%' AND relkind IN ('r', 'p') AND attname = 'sealed'"
    )
    assert targets == [(0,)]


@pytest.mark.usefixtures("database")
def test_who_keeps_values_out_waits_for_nobody_who_makes_months():
    with transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE ONLY event_bodies ALTER COLUMN sealed SET STATISTICS -1")
    with transaction() as making:
        assert schema.ensure_partitions(making, months_ahead=6)
        with transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE people ALTER COLUMN profile SET STATISTICS -1")
            connection.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
            assert remains.keep_out_of_statistics(connection) == 0
    with transaction() as connection:
        assert remains.keep_out_of_statistics(connection) == 1


@pytest.mark.usefixtures("database", "redis_url")
def test_a_transaction_that_could_still_see_what_was_deleted_is_waited_for(monkeypatch):
    monkeypatch.setattr(remains, "_OLD_READERS_SECONDS", 0.5)
    with engine().connect() as reader:
        reader.execution_options(isolation_level="REPEATABLE READ").exec_driver_sql("SELECT count(*) FROM people")
        with pytest.raises(remains.TransientError, match="has been open"):
            sweep()
        reader.rollback()
    assert sweep().is_whole


@pytest.mark.usefixtures("database", "redis_url")
def test_a_table_that_is_too_large_is_said_to_be_left_with_gaps():
    done = command_line.run("privacy", "sweep", "--up-to", "0")
    assert done.returncode == 1
    assert "people is too large to be rewritten: gaps in its pages may hold remains" in done.stdout
