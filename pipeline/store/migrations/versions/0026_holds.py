"""Legal holds and restrictions of people, whom they are about, and which entries of the ledger are known.

A program of before knows none of it: it would send a restricted person's news, so restrict people once all run this.
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE legal_holds (
    hold_id uuid NOT NULL,
    kind text NOT NULL,
    person_id uuid NOT NULL,
    brand text NOT NULL,
    reason text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now(),
    placed_by text NOT NULL,
    released_at timestamptz,
    released_by text,
    release_reason text,
    CONSTRAINT legal_holds_pkey PRIMARY KEY (hold_id),
    CONSTRAINT legal_holds_kind_known CHECK (kind IN ('hold', 'restriction'))
);
CREATE INDEX legal_holds_person ON legal_holds (person_id);
CREATE INDEX legal_holds_open ON legal_holds (kind, person_id) WHERE released_at IS NULL;
CREATE TABLE ledger_entries (
    hash bytea NOT NULL,
    request_id uuid NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    known_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_entries_pkey PRIMARY KEY (hash)
);
CREATE FUNCTION legal_holds_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a legal hold is never deleted, only released' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER legal_holds_stay BEFORE DELETE ON legal_holds FOR EACH STATEMENT EXECUTE FUNCTION legal_holds_stay();
"""
# From whom a hold was placed on to all who are one with them, and to whom was taken apart from these since. There are
# few holds, and each step follows an index: what it costs does not grow with the people.
_VIEW = """
CREATE VIEW {view} AS
WITH RECURSIVE kept (person_id, since) AS (
    SELECT h.person_id, h.placed_at FROM legal_holds h WHERE h.released_at IS NULL AND h.kind IN ({kinds})
    UNION
    SELECT near.person_id, kept.since FROM kept CROSS JOIN LATERAL (
        SELECT p.merged_into FROM people p WHERE p.person_id = kept.person_id AND p.merged_into IS NOT NULL
        UNION ALL
        SELECT p.person_id FROM people p WHERE p.merged_into = kept.person_id
        UNION ALL
        SELECT l.other_id FROM identity_log l WHERE l.person_id = kept.person_id AND l.action = 'split'
            AND l.at >= kept.since AND l.other_id IS NOT NULL
    ) AS near (person_id)
)
SELECT DISTINCT person_id FROM kept;
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_VIEW.format(view="people_held", kinds="'hold'"))
    op.execute(_VIEW.format(view="people_restricted", kinds="'restriction'"))
    op.execute(_VIEW.format(view="people_kept", kinds="'hold', 'restriction'"))
