"""Keys of programs stand in the database: made, revoked and let expire while everything runs.

A program of before knows none of them: it takes the keys of AFLUENTE_API_KEYS alone.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_KEYS = """
CREATE TABLE service_keys (
    key_id text NOT NULL,
    name text NOT NULL,
    digest bytea NOT NULL,
    role text,
    scopes text[] NOT NULL DEFAULT '{}',
    brands text[] NOT NULL DEFAULT '{}',
    sources text[] NOT NULL DEFAULT '{}',
    networks text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz,
    last_used_on date,
    revoked_at timestamptz,
    CONSTRAINT service_keys_pkey PRIMARY KEY (key_id)
);
"""


def upgrade() -> None:
    op.execute(_KEYS)
