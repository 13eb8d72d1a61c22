"""Who signs in at the console: users, sessions, local administrators, failed attempts, logout tokens that were used.

New tables only: a program of before does not see them.
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_USERS = """
CREATE TABLE users (
    user_id uuid NOT NULL DEFAULT gen_random_uuid(),
    issuer text NOT NULL,
    subject text NOT NULL,
    name text,
    roles jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    signed_in_at timestamptz,
    disabled_at timestamptz,
    CONSTRAINT users_pkey PRIMARY KEY (user_id),
    CONSTRAINT users_subject UNIQUE (issuer, subject)
);
CREATE TABLE user_sessions (
    session_id uuid NOT NULL,
    digest bytea NOT NULL,
    user_id uuid NOT NULL,
    sid text,
    auth text NOT NULL,
    roles jsonb NOT NULL,
    entitled jsonb NOT NULL,
    rules bytea NOT NULL,
    sealed bytea,
    network text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz NOT NULL,
    CONSTRAINT user_sessions_pkey PRIMARY KEY (session_id),
    CONSTRAINT user_sessions_digest UNIQUE (digest),
    CONSTRAINT user_sessions_user FOREIGN KEY (user_id) REFERENCES users (user_id)
);
CREATE INDEX user_sessions_of_user ON user_sessions (user_id);
CREATE TABLE local_admins (
    user_id uuid NOT NULL,
    password bytea NOT NULL,
    sealed bytea NOT NULL,
    recovery_codes bytea[] NOT NULL,
    last_step bigint NOT NULL DEFAULT 0,
    wrong_codes integer NOT NULL DEFAULT 0,
    CONSTRAINT local_admins_pkey PRIMARY KEY (user_id),
    CONSTRAINT local_admins_user FOREIGN KEY (user_id) REFERENCES users (user_id)
);
CREATE TABLE sign_in_failures (
    account bytea NOT NULL,
    network text NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    failed_at timestamptz NOT NULL DEFAULT now(),
    locked_until timestamptz,
    CONSTRAINT sign_in_failures_pkey PRIMARY KEY (account, network)
);
CREATE TABLE logout_tokens (
    digest bytea NOT NULL,
    kept_until timestamptz NOT NULL,
    CONSTRAINT logout_tokens_pkey PRIMARY KEY (digest)
);
"""


def upgrade() -> None:
    op.execute(_USERS)
