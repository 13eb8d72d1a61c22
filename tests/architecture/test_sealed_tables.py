"""Every column of bytes is known to be sealed, or to hold nothing that is: sealing anew forgets none."""

from __future__ import annotations

from sqlalchemy import LargeBinary

from pipeline.store.keys.sealed_tables import SEALED_TABLES
from pipeline.store.tables import metadata

NOT_SEALED = {
    "audit_heads.hash": "a digest",
    "audit_heads.prev_hash": "a digest",
    "audit_log.changed_digest": "a digest",
    "audit_log.hash": "a digest",
    "audit_log.prev_hash": "a digest",
    "ledger_entries.hash": "a digest",
    "service_keys.digest": "a digest",
    "suppressions.digest": "a digest",
    "consent_confirmations.digest": "a digest",
    "deliveries.once_digest": "a digest",
    "delivery_jobs.records": "ids and digests",
    "event_keys.digest": "a digest",
    "event_keys.content": "a digest",
    "event_revisions.digest": "a digest",
    "event_revisions.content": "a digest",
    "content_readings.reading": "a digest of rules",
    "events.contact": "a digest",
    "local_admins.password": "a digest",
    "logout_tokens.digest": "a digest",
    "sign_in_failures.account": "a digest",
    "user_sessions.digest": "a digest",
    "user_sessions.rules": "a digest",
}


def test_every_column_of_bytes_is_sealed_anew_or_said_to_hold_nothing_sealed():
    sealed = {f"{table.name}.{column}" for table in SEALED_TABLES for column in table.columns}
    columns = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert columns - sealed - set(NOT_SEALED) == set(), "put it into SEALED_TABLES, or here with what it is"
    assert sealed - columns == set()
    assert set(NOT_SEALED) - columns == set()
    assert sealed & set(NOT_SEALED) == set()


def test_the_keys_of_sealed_tables_are_their_primary_keys():
    for table in SEALED_TABLES:
        declared = metadata.tables[table.name]
        assert [name for name, _ in table.key] == [column.name for column in declared.primary_key.columns]
