"""Roles of the database, as SQL: who owns, migrates, works, reads, backs up.

All of it may run again at any time: what is there already stays, what new tables need is granted. Names are fixed, so
that a dump fits wherever the roles are; passwords are the administrator's and stand nowhere here.
"""

from __future__ import annotations

from collections.abc import Iterator

OWNER, MIGRATE, APP, READ, BACKUP = (
    "afluente_owner",
    "afluente_migrate",
    "afluente_app",
    "afluente_read",
    "afluente_backup",
)
ROLES = (OWNER, MIGRATE, APP, READ, BACKUP)
LOGINS = (MIGRATE, APP, BACKUP)
READING = "reading"  # the schema of the readers' views
EVERY_BRAND = "*"

_ATTRIBUTES = {OWNER: "NOLOGIN", MIGRATE: "LOGIN", APP: "LOGIN", READ: "NOLOGIN", BACKUP: "LOGIN"}
# The program sets shorter ones for itself; these hold for whoever connects by hand. 0: none.
_SETTINGS = {
    MIGRATE: {"statement_timeout": "0", "lock_timeout": "120s", "role": OWNER},
    APP: {"statement_timeout": "15min", "idle_in_transaction_session_timeout": "15min"},
    BACKUP: {"statement_timeout": "0", "default_transaction_read_only": "on"},
}
READER_SETTINGS = {
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_read_only": "on",
    "search_path": READING,
}


def role_statements() -> Iterator[str]:
    """The roles themselves: for whoever may make roles. Their settings hold in this database alone."""
    for role, attributes in _ATTRIBUTES.items():
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN"
            f" CREATE ROLE {role} {attributes}; END IF;"
            " END $$"
        )
    yield f"GRANT {OWNER} TO {MIGRATE}"
    yield f"GRANT pg_read_all_data TO {BACKUP}"
    for role, values in _SETTINGS.items():
        for name, value in values.items():
            yield (
                "DO $$ BEGIN EXECUTE format("
                f"'ALTER ROLE {role} IN DATABASE %I SET {name} TO %L', current_database(), '{value}'); END $$"
            )


def ownership_statements() -> Iterator[str]:
    """What is there becomes the owner's, and nobody else makes anything beside it."""
    yield (
        f"DO $$ BEGIN EXECUTE format('GRANT CREATE, CONNECT ON DATABASE %I TO {OWNER}', current_database());"
        " EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); END $$"
    )
    for role in (MIGRATE, APP, READ, BACKUP):
        yield f"DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO {role}', current_database()); END $$"
    yield f"GRANT CREATE, USAGE ON SCHEMA public TO {OWNER}"
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    yield _OWN_ALL.format(owner=OWNER)


def grant_statements() -> Iterator[str]:
    """What the program may do with what is there, and with what its owner will make."""
    yield f"GRANT USAGE ON SCHEMA public TO {APP}, {BACKUP}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP}"
    yield f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {APP}"
    of_owner = f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public"
    yield f"{of_owner} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP}"
    yield f"{of_owner} GRANT USAGE, SELECT ON SEQUENCES TO {APP}"
    # Vacuum and rewriting after an erasure; before PostgreSQL 17 only the owner may.
    yield _MAINTAIN.format(app=APP)
    yield _AUDIT.format(app=APP)
    yield (
        "DO $$ BEGIN IF to_regclass('alembic_version') IS NOT NULL THEN"
        f" REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {APP}; END IF; END $$"
    )


# Partitions come with their parent; sequences that belong to a column go with its table.
_OWN_ALL = """DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT c.oid::regclass AS name, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'S', 'v', 'm')
            AND pg_get_userbyid(c.relowner) <> '{owner}'
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i', 'e')
                AND c.relkind = 'S')
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO {owner}',
            CASE found.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                ELSE 'TABLE' END, found.name);
    END LOOP;
    FOR found IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'public' AND pg_get_userbyid(p.proowner) <> '{owner}'
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('ALTER ROUTINE %s OWNER TO {owner}', found.name);
    END LOOP;
END $$"""
_MAINTAIN = """DO $$ BEGIN IF current_setting('server_version_num')::int >= 170000 THEN
    EXECUTE 'GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO {app}';
END IF; END $$"""
# What is written there stays. Its trigger lets only the digests of changed values be taken out.
_AUDIT = """DO $$ BEGIN IF to_regclass('audit_log') IS NOT NULL THEN
    REVOKE ALL ON audit_log FROM {app};
    GRANT SELECT, INSERT, UPDATE (changed) ON audit_log TO {app};
    REVOKE DELETE ON audit_heads FROM {app};
END IF; END $$"""
