"""A needle in every column that may hold something of a person: what an export must show and an erasure must not leave.

The person comes in by the front door; what only another day would bring (a merge, a word of a human, a CRM's answer) is
put in beside it by SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import msgspec

from pipeline.crypto.encryption import seal_activity, seal_evidence
from pipeline.identity.activities import Kept
from pipeline.identity.evidence_cache import pack
from pipeline.identity.matching.evidence import Evidence
from pipeline.privacy.inventory import VALUE, Held, inventory, tables_of_people
from pipeline.records import new_id
from pipeline.store.engine import transaction
from pipeline.store.erasures.found import find_all_of
from tests.support.command_line import capture, deliver, work

ADA = {
    "external_id": "needle-own-id",
    "email": "needle.ada@example.org",
    "phone": "+34612345678",
    "full_name": "Needle Sample",
    "company": "Needle Works",
    "message": "needle-message",
    "page_url": "https://example.org/needle-path?utm_source=needle&utm_medium=cpc&gclid=needle-click",
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True, "policy_version": "needle-2026"}],
    "answer": "needle-custom",
}
NEEDLE = "needle"

_EVIDENCE = pack(Evidence(email="needle.activity@example.org"))
_KEPT = msgspec.msgpack.encode(Kept({"needle": "needle-activity"}))
_MORE = """
INSERT INTO quarantine (quarantine_id, event_id, brand, source, stage, code, message, resolution, why)
    VALUES (gen_random_uuid(), %(event)s, 'default', 'api', 'map_fields', 'bug', 'x', 'discarded', 'needle-q');
INSERT INTO quarantine (quarantine_id, destination, person_id, brand, stage, code, message)
    VALUES (gen_random_uuid(), 'sandbox', %(person)s, 'default', 'deliver', 'bug', 'x');
INSERT INTO identity_log (brand, action, person_id, decided_by, details)
    VALUES ('default', 'joined', %(person)s, 'somebody', '{"why": "needle-log"}');
INSERT INTO identity_decisions (one, other, same, decision_id, brand, decided_by, why)
    VALUES (least(%(evidence)s::uuid, %(other)s::uuid), greatest(%(evidence)s::uuid, %(other)s::uuid), true,
        gen_random_uuid(), 'default', 'somebody', 'needle-why');
INSERT INTO crm_records (record_id, destination, brand, crm_id, person_id, run)
    VALUES (%(other)s, 'sandbox', 'default', 'needle-crm', %(person)s, 1);
INSERT INTO crm_consents (destination, object, crm_id, field, purpose, channel, state, changed_at, person_id)
    VALUES ('sandbox', 'Lead', 'needle-opted', 'DoNotCall', 'marketing', 'phone', 'withdrawn', now(), %(person)s);
INSERT INTO delivery_log (destination, person_id, version, outcome, message, call_id)
    VALUES ('sandbox', %(person)s, 1, 'rejected', 'needle-answer', gen_random_uuid());
INSERT INTO webhook_messages (endpoint, event, brand, subject_id, person_id, state)
    VALUES ('hook', 'person.created', 'default', %(person)s, %(person)s, 'delivered');
INSERT INTO person_consents (person_id, owner_id, brand, purpose, channel, person_version, owner_version, is_withdrawn)
    VALUES (%(person)s, %(person)s, 'default', 'marketing', 'email', 1, 1, false);
INSERT INTO person_companies (person_id, company_id, values_id) VALUES (%(person)s, %(other)s, gen_random_uuid());
INSERT INTO companies (company_id, brand, key_id) VALUES (%(other)s, 'default', gen_random_uuid());
INSERT INTO identity_reviews (one, other, brand, score, pieces)
    VALUES (%(evidence)s, %(other)s, 'default', 1, '[]');
"""


def plant(fields: dict | None = None) -> tuple[UUID, dict[str, set[UUID]]]:
    """A person with needles in every column of values; gives the id, and all ids by the inventory's words."""
    (event_id,) = capture(fields or ADA)
    work()
    deliver()
    with transaction() as connection:
        (person_id,) = connection.exec_driver_sql("SELECT person_id FROM events WHERE event_id = %s", (event_id,)).one()
        found = find_all_of(connection, [person_id])
        told = new_id()
        connection.exec_driver_sql(
            "INSERT INTO activities"
            " (event_id, brand, source, says, kind, at, state, evidence_id, sealed_evidence, sealed)"
            " VALUES (%s, 'default', 'api', 'activity', 'x', now(), 'known', %s, %s, %s)",
            (told, min(found.evidence), seal_evidence(_EVIDENCE, told), seal_activity(_KEPT, told)),
        )
        found = find_all_of(connection, [person_id])
        values = {"event": event_id, "person": person_id, "evidence": min(found.evidence), "other": new_id()}
        connection.exec_driver_sql(_MORE, values)
        for held in tables_of_people():
            _plant_in(connection, held, {**found.ids, "company": {values["other"]}})
        found = find_all_of(connection, [person_id])
    return person_id, {word: set(ids) for word, ids in found.ids.items()}


def _plant_in(connection, held: Held, ids) -> None:
    for column, kind in text_columns(connection, held):
        word = f"{NEEDLE}-{held.table}-{column}"
        value = word if kind == "text" else f'{{"{NEEDLE}": "{word}"}}'
        where = " OR ".join(f"{name} = ANY(%(ids_{of})s)" for name, of in held.reach.items())
        if where:
            values = {f"ids_{of}": list(ids.get(of, ())) for of in held.reach.values()}
            connection.exec_driver_sql(
                f"UPDATE {held.table} SET {column} = %(value)s WHERE {where}", {**values, "value": value}
            )


def text_columns(connection, held: Held) -> Iterator[tuple[str, str]]:
    """Those columns of values that hold text, or JSON, with which of the two."""
    kinds = dict(
        map(
            tuple,
            connection.exec_driver_sql(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", (held.table,)
            ),
        )
    )
    for column in held.columns.values():
        if column.kind == VALUE and kinds[column.name] in ("text", "jsonb"):
            yield column.name, kinds[column.name]


def needles_left() -> dict[str, int]:
    """By table and column how many rows still hold a needle in clear, over all columns of the database."""
    left: dict[str, int] = {}
    with transaction() as connection:
        columns = connection.exec_driver_sql(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN pg_class r"
            " ON r.relname = c.table_name AND NOT r.relispartition AND r.relkind IN ('r', 'p')"
            " WHERE c.table_schema = 'public' AND c.data_type IN ('text', 'jsonb', 'ARRAY')"
        ).all()
        for table, column in columns:
            count = connection.exec_driver_sql(
                f"SELECT count(*) FROM {table} WHERE {column}::text ILIKE '%%{NEEDLE}%%'"
            ).scalar()
            if count:
                left[f"{table}.{column}"] = count
    return left


def rows_left(ids: dict[str, set[UUID]]) -> dict[str, int]:
    """By table how many rows are left that are a person's, of tables whose rows go."""
    left: dict[str, int] = {}
    with transaction() as connection:
        for held in inventory().values():
            if held.fate != "deleted":
                continue
            for column, word in held.reach.items():
                count = connection.exec_driver_sql(
                    f"SELECT count(*) FROM {held.table} WHERE {column} = ANY(%s)", (list(ids[word]),)
                ).scalar()
                if count:
                    left[f"{held.table}.{column}"] = count
    return left
