"""Messages to other systems: endpoints, the outbox, and the triggers that fill it.

What is told and what happened are one transaction, whichever program or command brought it about; the program before
this one tells too while both run. Without endpoints a trigger finds an empty table and writes nothing. The triggers are
made in moments, for which nothing may write to people, deliveries and events.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE webhook_endpoints (
    name text NOT NULL,
    events text[] NOT NULL,
    brands text[],
    is_declared boolean NOT NULL DEFAULT true,
    is_enabled boolean NOT NULL DEFAULT true,
    since timestamptz NOT NULL DEFAULT now(),
    sealed bytea,
    key_name text,
    off_since timestamptz,
    off_because text,
    failures integer NOT NULL DEFAULT 0,
    failed_messages integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    paused_until timestamptz,
    last_success_at timestamptz,
    last_called_at timestamptz,
    last_code text,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (name)
);
CREATE TABLE webhook_messages (
    message_id uuid NOT NULL DEFAULT gen_random_uuid(),
    seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    endpoint text NOT NULL,
    event text NOT NULL,
    brand text NOT NULL,
    subject_id uuid NOT NULL,
    person_id uuid,
    event_id uuid,
    other_id uuid,
    destination text,
    version integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'due',
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    claim uuid,
    lease_until timestamptz,
    last_code text,
    ended_at timestamptz,
    CONSTRAINT webhook_messages_pkey PRIMARY KEY (message_id),
    CONSTRAINT webhook_messages_state_known CHECK
        (state IN ('due', 'in_flight', 'delivered', 'failed', 'dropped', 'held'))
);
CREATE INDEX webhook_messages_due ON webhook_messages (endpoint, next_attempt_at) WHERE state = 'due';
CREATE INDEX webhook_messages_open ON webhook_messages (endpoint, subject_id, seq)
    WHERE state IN ('due', 'in_flight', 'held');
CREATE INDEX webhook_messages_in_flight ON webhook_messages (endpoint) WHERE state = 'in_flight';
CREATE INDEX webhook_messages_failed ON webhook_messages (endpoint) WHERE state = 'failed';
CREATE INDEX webhook_messages_held ON webhook_messages (endpoint) WHERE state = 'held';
CREATE INDEX webhook_messages_time ON webhook_messages (endpoint, created_at);
"""

# Once a statement, over all rows that it changed: one more INSERT for a batch, and where no endpoint wants to hear of it
# a look at a small table. A lead is told of under its person, so that what is told of both goes out in its order.
_TELL = """
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE is_declared AND events && ARRAY[{events}]) THEN
        INSERT INTO webhook_messages
            (endpoint, event, brand, subject_id, person_id, event_id, other_id, destination, version)
        SELECT e.name, told.event, told.brand, told.subject_id, told.person_id, told.event_id, told.other_id,
            told.destination, told.version
        FROM ({told}) AS told
        JOIN webhook_endpoints e ON e.is_declared AND told.event = ANY(e.events)
            AND (e.brands IS NULL OR told.brand = ANY(e.brands))
        {unless}
        ORDER BY told.subject_id, e.name;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER {function} AFTER {happens} ON {table} REFERENCING {rows}
    FOR EACH STATEMENT EXECUTE FUNCTION {function}();
"""
_CHANGED = {"happens": "UPDATE", "rows": "OLD TABLE AS before NEW TABLE AS after"}
_LEADS = _TELL.format(
    function="webhook_tell_of_leads",
    table="events",
    events="'lead.settled', 'lead.quarantined'",
    told="""
            SELECT 'lead.' || a.state AS event, a.brand, coalesce(a.person_id, a.event_id) AS subject_id, a.person_id,
                a.event_id, NULL::uuid AS other_id, NULL::text AS destination, NULL::integer AS version
            FROM after a JOIN before b ON b.event_id = a.event_id
            WHERE a.state IN ('settled', 'quarantined') AND a.state <> b.state""",
    unless="",
    **_CHANGED,
)
_NEW_PEOPLE = _TELL.format(
    function="webhook_tell_of_new_people",
    table="people",
    happens="INSERT",
    rows="NEW TABLE AS after",
    events="'person.created'",
    told="""
            SELECT 'person.created' AS event, brand, person_id AS subject_id, person_id, NULL::uuid AS event_id,
                NULL::uuid AS other_id, NULL::text AS destination, version
            FROM after""",
    unless="",
)
# A message that nobody has seen yet will tell of this version too: its content is read when it is sent. It is locked, so
# that a sender leaves it until this is committed, or is waited for. One that was sent once is not enough: a receiver
# that has its id may pass over the rest.
_PEOPLE = _TELL.format(
    function="webhook_tell_of_people",
    table="people",
    events="'person.updated', 'person.merged', 'person.unmerged'",
    told="""
            SELECT CASE WHEN a.merged_into IS NOT DISTINCT FROM b.merged_into THEN 'person.updated'
                    WHEN a.merged_into IS NULL THEN 'person.unmerged' ELSE 'person.merged' END AS event,
                a.brand, a.person_id AS subject_id, a.person_id, NULL::uuid AS event_id, a.merged_into AS other_id,
                NULL::text AS destination, a.version
            FROM after a JOIN before b ON b.person_id = a.person_id
            WHERE a.merged_into IS DISTINCT FROM b.merged_into OR (a.version > b.version AND a.merged_into IS NULL)""",
    unless="""WHERE told.event <> 'person.updated' OR NOT EXISTS (
            SELECT FROM webhook_messages m WHERE m.endpoint = e.name AND m.subject_id = told.subject_id
                AND m.state IN ('due', 'held') AND m.attempts = 0 AND m.event IN ('person.created', 'person.updated')
            FOR SHARE)""",
    **_CHANGED,
)
# Of people's own records only: other objects of a CRM have deliveries under its name and theirs, `crm/Account`.
_DELIVERIES = _TELL.format(
    function="webhook_tell_of_deliveries",
    table="deliveries",
    events="'delivery.sent', 'delivery.quarantined'",
    told="""
            SELECT CASE WHEN a.loaded_at IS DISTINCT FROM b.loaded_at THEN 'delivery.sent'
                    ELSE 'delivery.quarantined' END AS event,
                a.brand, a.person_id AS subject_id, a.person_id, NULL::uuid AS event_id, NULL::uuid AS other_id,
                a.destination, a.sent_version AS version
            FROM after a JOIN before b ON b.person_id = a.person_id AND b.destination = a.destination
            WHERE strpos(a.destination, '/') = 0
                AND ((a.loaded_at IS NOT NULL AND a.loaded_at IS DISTINCT FROM b.loaded_at)
                    OR (a.state = 'quarantined' AND b.state <> 'quarantined'))""",
    unless="",
    **_CHANGED,
)


def upgrade() -> None:
    for statement in (_TABLES, _LEADS, _NEW_PEOPLE, _PEOPLE, _DELIVERIES):
        op.execute(statement)
