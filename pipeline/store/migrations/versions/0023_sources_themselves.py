"""What is known of sources themselves: the minutes in which each was heard, so that one that falls silent is said so,
and whether it still knows our address.

New tables only: a program of before does not see them.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_RHYTHMS = """
CREATE TABLE source_hours (
    brand text NOT NULL,
    source text NOT NULL,
    hour timestamptz NOT NULL,
    heard bigint NOT NULL DEFAULT 0,
    watched bigint NOT NULL DEFAULT 0,
    CONSTRAINT source_hours_pkey PRIMARY KEY (brand, source, hour)
);
CREATE TABLE source_rhythms (
    brand text NOT NULL,
    source text NOT NULL,
    watched_since timestamptz NOT NULL DEFAULT now(),
    judged_at timestamptz NOT NULL DEFAULT now(),
    last_heard_at timestamptz,
    unusual_since timestamptz,
    usual_seconds double precision,
    is_of_this_hour boolean NOT NULL DEFAULT false,
    CONSTRAINT source_rhythms_pkey PRIMARY KEY (brand, source)
);
CREATE TABLE heartbeats (
    part text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT heartbeats_pkey PRIMARY KEY (part)
);
"""
_SUBSCRIPTIONS = """
CREATE TABLE source_subscriptions (
    brand text NOT NULL,
    source text NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT now(),
    token text,
    hook text,
    missing_scopes text[] NOT NULL DEFAULT '{}',
    error text,
    CONSTRAINT source_subscriptions_pkey PRIMARY KEY (brand, source)
);
"""


def upgrade() -> None:
    op.execute(_RHYTHMS)
    op.execute(_SUBSCRIPTIONS)
