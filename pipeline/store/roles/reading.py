"""Views for readers: every table without its sealed columns, and of each only the rows of the reader's brands.

Who reads which brand stands in `reading.brand_readers`, which the owner alone writes: a setting of the session would
be no wall, as whoever runs SQL can set it. Views ask it once a statement, by the login role, which nobody can change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import Connection

from pipeline.store.roles.statements import BACKUP, EVERY_BRAND, OWNER, READ, READING

# Sealed values, digests and keys are bytes. These tell nothing to whoever counts, and much to whoever attacks.
_HIDDEN = (
    *("alembic_version", "keyring", "sealing_keys", "shared_keys", "source_tokens", "service_keys", "suppressions"),
    *("index_keys", "index_rotation"),
    *("users", "local_admins", "user_sessions", "sign_in_failures", "logout_tokens", "webhook_endpoints"),
    *("audit_log", "audit_heads", "ledger_entries", "privacy_requests", "privacy_subjects", "legal_holds"),
)
_HIDDEN_TYPES = ("bytea", "jsonb", "json")
_COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
JOIN pg_class t ON t.oid = format('public.%%I', c.table_name)::regclass
WHERE c.table_schema = 'public' AND t.relkind IN ('r', 'p') AND NOT t.relispartition AND c.table_name <> ALL(%s)
ORDER BY c.table_name, c.ordinal_position
"""


def table_statements() -> Iterator[str]:
    """The schema of the views, and who reads which brand."""
    yield f"CREATE SCHEMA IF NOT EXISTS {READING} AUTHORIZATION {OWNER}"
    yield (
        f"CREATE TABLE IF NOT EXISTS {READING}.brand_readers ("
        "role name NOT NULL, brand text NOT NULL, PRIMARY KEY (role, brand))"
    )
    yield f"ALTER TABLE {READING}.brand_readers OWNER TO {OWNER}"
    yield f"REVOKE ALL ON {READING}.brand_readers FROM PUBLIC, {READ}"
    yield f"GRANT USAGE ON SCHEMA {READING} TO {READ}, {BACKUP}"


def view_statements(connection: Connection) -> Iterator[str]:
    """A view for each table that is there now."""
    columns: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, column, kind in connection.exec_driver_sql(_COLUMNS, (list(_HIDDEN),)):
        columns[table].append((column, kind))
    for table, listed in columns.items():
        shown = [column for column, kind in listed if kind not in _HIDDEN_TYPES]
        if not shown:
            continue
        names = ", ".join(f't."{name}"' for name in shown)
        yield (
            f'CREATE VIEW {READING}."{table}" WITH (security_barrier) AS SELECT {names} FROM public."{table}" t'  # noqa: S608 - names of the catalog
            f" WHERE {_condition(has_brand='brand' in shown)}"
        )
        yield f'ALTER VIEW {READING}."{table}" OWNER TO {OWNER}'
        yield f'GRANT SELECT ON {READING}."{table}" TO {READ}'


def drop_statements(connection: Connection) -> Iterator[str]:
    """Without the views: a migration may change what they show."""
    rows = connection.exec_driver_sql("SELECT viewname FROM pg_views WHERE schemaname = %s ORDER BY 1", (READING,))
    for (name,) in rows.all():
        yield f'DROP VIEW {READING}."{name}"'


def _condition(*, has_brand: bool) -> str:
    """A table that tells no brand is read by those alone who read every brand."""
    readers = f"FROM {READING}.brand_readers r WHERE r.role = session_user"
    every = f"EXISTS (SELECT {readers} AND r.brand = '{EVERY_BRAND}')"
    return f"{every} OR t.brand = ANY (ARRAY(SELECT r.brand {readers}))" if has_brand else every
