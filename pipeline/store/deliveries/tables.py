"""Tables of deliveries: which version of a person each CRM should have and has, what was said of each call, since when
each CRM is one, which records it had before us, and what people took back there.

A person's record stands under the destination's name. Another object of the CRM stands under both names, `crm/Account`,
and its `person_id` is then the id of what it stands for: of a company, the event of a touch, a consent.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from pipeline.lanes import LANES
from pipeline.store.columns import count_column, metadata, moment_column, one_of

WANTED = ("present", "absent")
RECORD_STATES = ("there", "gone", "passed_over")
CRM_CONSENT_STATES = ("withdrawn", "granted")
DELIVERY_STATES = ("due", "in_flight", "sent", "quarantined", "held", "no_consent")

deliveries = Table(
    "deliveries",
    metadata,
    Column("destination", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("wanted_version", Integer, nullable=False),
    count_column("sent_version"),
    Column("external_id", Text),
    Column("state", Text, nullable=False),
    count_column("attempts"),
    moment_column("next_attempt_at", nullable=False, is_now=True),
    moment_column("wanted_at", nullable=False, is_now=True),
    Column("claim", Uuid),
    moment_column("lease_until"),
    Column("last_error", Text),
    moment_column("last_error_at"),
    moment_column("loaded_at"),
    Column("once_digest", LargeBinary),  # SHA-256 of what the CRM last confirmed of the fields written once
    Column("mapping_version", Text),  # of the mapping by which the CRM was last told; NULL: not known
    Column("content_id", Uuid),  # a keyed digest of all that this mapping made of the person then
    Column("sent_as", Text),  # what the CRM knows its record by: object and key field; NULL: not known
    Column("wanted", Text, nullable=False, server_default=text("'present'")),
    Column("links_id", Uuid),  # a digest of the links that its record has; NULL: none
    Column("parent_id", Uuid),  # of a touch: the person to whose record it is linked; of a consent: who was asked
    PrimaryKeyConstraint("person_id", "destination", name="deliveries_pkey"),
    one_of("lane", LANES, "deliveries_lane_known"),
    one_of("state", DELIVERY_STATES, "deliveries_state_known"),
    one_of("wanted", WANTED, "deliveries_wanted_known"),
)
Index(
    "deliveries_due",
    deliveries.c.destination,
    deliveries.c.lane,
    deliveries.c.next_attempt_at,
    postgresql_where=text("state = 'due'"),
)
Index("deliveries_in_flight", deliveries.c.claim, postgresql_where=text("state = 'in_flight'"))
Index("deliveries_parent", deliveries.c.parent_id, postgresql_where=text("parent_id IS NOT NULL"))
Index("deliveries_held", deliveries.c.destination, postgresql_where=text("state = 'held'"))
Index(
    "deliveries_no_consent",
    deliveries.c.destination,
    deliveries.c.last_error,
    postgresql_where=text("state = 'no_consent'"),
)
Index(
    "deliveries_failed",
    deliveries.c.destination,
    deliveries.c.last_error_at,
    postgresql_where=text("last_error IS NOT NULL"),
)

delivery_log = Table(
    "delivery_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("destination", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    moment_column("at", nullable=False, is_now=True),
    Column("outcome", Text, nullable=False),
    Column("code", Text),
    Column("message", Text),
    Column("call_id", Uuid, nullable=False),
    PrimaryKeyConstraint("id", name="delivery_log_pkey"),
)
Index("delivery_log_person", delivery_log.c.person_id)

delivery_jobs = Table(
    "delivery_jobs",
    metadata,
    Column("claim", Uuid, nullable=False),  # under which its deliveries are in flight
    Column("destination", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("job_id", Text, nullable=False),  # the CRM's
    moment_column("created_at", nullable=False, is_now=True),
    moment_column("next_poll_at", nullable=False),  # until then it is with whoever took it
    Column("mapping_version", Text),
    Column("sent_as", Text),
    Column("records", LargeBinary, nullable=False),  # ids and digests of what was sent, as `jobs.py` packs them
    PrimaryKeyConstraint("claim", name="delivery_jobs_pkey"),
)
Index("delivery_jobs_next", delivery_jobs.c.destination, delivery_jobs.c.next_poll_at)

destinations_in_force = Table(
    "destinations_in_force",
    metadata,
    Column("destination", Text, nullable=False),
    Column("brand", Text, nullable=False),
    moment_column("since", nullable=False, is_now=True),  # leads that settled before may lack a delivery there
    PrimaryKeyConstraint("destination", "brand", name="destinations_in_force_pkey"),
)

crm_records = Table(
    "crm_records",
    metadata,
    Column("record_id", Uuid, nullable=False),  # made of destination, brand and crm_id; in evidence_events too
    Column("destination", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("crm_id", Text, nullable=False),
    Column("number", BigInteger, Identity(always=True), nullable=False),  # in the order in which the CRM lists them
    Column("person_id", Uuid),  # who is written there; NULL: nobody yet
    Column(
        "is_keyed", Boolean, nullable=False, server_default=text("false")
    ),  # it has that person's id, as the CRM says
    Column("state", Text, nullable=False, server_default=text("'there'")),
    Column("run", Integer, nullable=False),  # the last reading that met it
    moment_column("found_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("record_id", name="crm_records_pkey"),
    one_of("state", RECORD_STATES, "crm_records_state_known"),
)
Index("crm_records_destination", crm_records.c.destination, crm_records.c.number)
Index("crm_records_person", crm_records.c.person_id, postgresql_where=text("person_id IS NOT NULL"))

crm_adoptions = Table(
    "crm_adoptions",
    metadata,
    Column("destination", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("cursor", Text),  # of the next page
    count_column("pages"),
    moment_column("began_at", nullable=False, is_now=True),
    moment_column("ended_at"),
    PrimaryKeyConstraint("destination", name="crm_adoptions_pkey"),
)

crm_consent_reads = Table(
    "crm_consent_reads",
    metadata,
    Column("destination", Text, nullable=False),
    Column("object", Text, nullable=False),  # the CRM's name of it
    Column("settings_digest", Text, nullable=False),  # of what was read: if that differs all is read anew
    moment_column("created_at", nullable=False, is_now=True),
    moment_column("watermark"),  # by the CRM's clock: what was changed before is known; NULL: nothing is
    moment_column("began_at"),  # the reading under way
    moment_column("latest"),  # the latest change that it met
    Column("cursor", Text),  # of its next page
    moment_column("read_at"),  # the last page
    moment_column("next_run_at", nullable=False, is_now=True),
    Column("last_error", Text),
    count_column("failures"),
    PrimaryKeyConstraint("destination", "object", name="crm_consent_reads_pkey"),
)

crm_consents = Table(
    "crm_consents",
    metadata,
    Column("destination", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("crm_id", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),  # as the record said it when it was read last
    moment_column("changed_at", nullable=False),  # by the CRM's clock
    Column("person_id", Uuid),  # whose record it was then; NULL: nobody's that we know
    Column("event_id", Uuid),  # the statement that was made of it; NULL: it was our own word
    PrimaryKeyConstraint("destination", "object", "crm_id", "field", "purpose", "channel", name="crm_consents_pkey"),
    one_of("state", CRM_CONSENT_STATES, "crm_consents_state_known"),
)
Index("crm_consents_person", crm_consents.c.person_id, postgresql_where=text("person_id IS NOT NULL"))
Index("crm_consents_event", crm_consents.c.event_id, postgresql_where=text("event_id IS NOT NULL"))

mapping_comparisons = Table(
    "mapping_comparisons",
    metadata,
    Column("destination", Text, nullable=False),
    Column("mapping_version", Text, nullable=False),
    moment_column("compared_at", nullable=False, is_now=True),
    Column("findings", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # sentences: what does not fit
    Column("fault", Text),  # why the CRM could not be asked
    PrimaryKeyConstraint("destination", name="mapping_comparisons_pkey"),
)
