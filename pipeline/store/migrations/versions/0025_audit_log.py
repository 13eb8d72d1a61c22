"""Who did what, in chains by hash: entries are added, and nothing of them is changed but that digests are taken out.

A program of before writes none: what it does is in no audit log.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE audit_log (
    brand text NOT NULL,
    number bigint NOT NULL,
    at timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    auth text NOT NULL,
    action text NOT NULL,
    object_kind text,
    object_id text,
    reason text,
    outcome text NOT NULL,
    changed jsonb,
    changed_digest bytea,
    request_id text,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_log_pkey PRIMARY KEY (brand, number),
    CONSTRAINT audit_log_actor_known CHECK (actor_kind IN ('user', 'key', 'os_user', 'system')),
    CONSTRAINT audit_log_auth_known CHECK (auth IN ('oidc', 'api_key', 'totp', 'os', 'none'))
);
CREATE INDEX audit_log_time ON audit_log (at);
CREATE INDEX audit_log_object ON audit_log (object_id) WHERE object_id IS NOT NULL;
CREATE TABLE audit_heads (
    brand text NOT NULL,
    number bigint NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_heads_pkey PRIMARY KEY (brand)
);
"""
# Against accidents and programs: who owns the table can take the triggers away, which `audit verify` then finds.
_KEEP = """
CREATE FUNCTION audit_log_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.changed IS NULL AND to_jsonb(NEW) - 'changed' = to_jsonb(OLD) - 'changed' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'entries of the audit log stay as they are' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_log_keep BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_keep();
CREATE TRIGGER audit_log_keep_all BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_keep();
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_KEEP)
