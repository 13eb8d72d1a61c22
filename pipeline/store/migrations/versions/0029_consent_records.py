"""What a statement of consent is beside yes and no: an explicit withdrawal, a confirmed or a pending grant; on which legal
basis, how, to which text, in which language, where, and until when it was given.

A program of before writes plain answers, which is what a row without `act` is. It reads a withdrawal as a refusal, which
a later answer may undo: run it beside this one no longer than an update takes. It sends whom this one lets wait for
consent, when it wants them again. The checks and the indexes look through their tables once: meanwhile consents and
deliveries cannot be written, for about a second per million of them.
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_FACTS = """
ALTER TABLE consents ADD COLUMN act text, ADD COLUMN legal_basis text, ADD COLUMN method text,
    ADD COLUMN notice_id text, ADD COLUMN notice_hash text, ADD COLUMN language text, ADD COLUMN jurisdiction text,
    ADD COLUMN expires_at timestamptz, ADD COLUMN double_opt_in_sent_at timestamptz,
    ADD COLUMN double_opt_in_confirmed_at timestamptz, ADD COLUMN lapsed_at timestamptz;
ALTER TABLE consents ADD CONSTRAINT consents_act_known
    CHECK (act IN ('withdrawal', 'objection', 'confirmed', 'by_hand', 'pending'));
CREATE INDEX consents_expiry ON consents (expires_at) WHERE expires_at IS NOT NULL AND lapsed_at IS NULL;
"""
_GATES = """
ALTER TABLE deliveries DROP CONSTRAINT deliveries_state_known;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_state_known
    CHECK (state IN ('due', 'in_flight', 'sent', 'quarantined', 'held', 'no_consent'));
CREATE INDEX deliveries_no_consent ON deliveries (destination, last_error) WHERE state = 'no_consent';
"""


def upgrade() -> None:
    op.execute(_FACTS)
    op.execute(_GATES)
