"""Tokens that sources gave us, sealed: had anew before they end, once over all processes.

No program of before asks for this table, so it may run beside this one.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TOKENS = """
CREATE TABLE source_tokens (
    brand text NOT NULL,
    source text NOT NULL,
    state text NOT NULL DEFAULT 'asked',
    granted_for text,
    sealed bytea,
    scopes text,
    connected_at timestamptz,
    refreshed_at timestamptz,
    expires_at timestamptz,
    last_error text,
    CONSTRAINT source_tokens_pkey PRIMARY KEY (brand, source),
    CONSTRAINT source_tokens_state_known CHECK (state IN ('asked', 'given', 'refused'))
);
"""


def upgrade() -> None:
    op.execute(_TOKENS)
