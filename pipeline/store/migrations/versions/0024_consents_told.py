"""What holds of a person's consents is told to CRMs as records of their own, one for each person, purpose and channel;
and what a lead says of consent is told to other systems.

A program of before makes none and asks for none: it knows no target that has such records. The index on the parents of
deliveries looks through the table once: meanwhile deliveries cannot be written, for about a second per million of them.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_TOLD = """
CREATE TABLE person_consents (
    consent_id uuid NOT NULL DEFAULT gen_random_uuid(),
    person_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    brand text NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    person_version integer NOT NULL,
    owner_version integer NOT NULL,
    is_withdrawn boolean NOT NULL,
    CONSTRAINT person_consents_pkey PRIMARY KEY (consent_id)
);
CREATE UNIQUE INDEX person_consents_question ON person_consents (person_id, purpose, channel);
CREATE INDEX person_consents_owner ON person_consents (owner_id);
CREATE INDEX deliveries_parent ON deliveries (parent_id) WHERE parent_id IS NOT NULL;
"""
# Once a statement, as migration 0013 tells of the rest. What is told of a person's consents keeps an order of its own,
# and a refusal stands in front of all that is due: it waits for nothing but what was said of consent before.
_TELL = """
CREATE FUNCTION webhook_tell_of_consents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE is_declared
            AND events && ARRAY['consent.granted', 'consent.refused']) THEN
        INSERT INTO webhook_messages (endpoint, event, brand, subject_id, person_id, event_id, next_attempt_at)
        SELECT e.name, told.event, told.brand, md5(told.person_id::text || ' consents')::uuid, told.person_id,
            told.event_id, CASE WHEN told.event = 'consent.refused' THEN 'epoch' ELSE now() END
        FROM (
            SELECT DISTINCT CASE WHEN granted THEN 'consent.granted' ELSE 'consent.refused' END AS event, brand,
                person_id, event_id
            FROM after WHERE granted IS NOT NULL
        ) AS told
        JOIN webhook_endpoints e ON e.is_declared AND told.event = ANY(e.events)
            AND (e.brands IS NULL OR told.brand = ANY(e.brands))
        ORDER BY told.event DESC, told.event_id, e.name;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_tell_of_consents AFTER INSERT ON consents REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION webhook_tell_of_consents();
"""


def upgrade() -> None:
    op.execute(_TOLD)
    op.execute(_TELL)
