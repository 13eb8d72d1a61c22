"""Tables of people: golden records, touches, consents, and the companies that people are of."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.canonical import ATTRIBUTED_ENDS, ATTRIBUTED_FACTS, UTM_FIELDS
from pipeline.records import CONSENT_ACTS, CONSENT_MOMENTS, CONSENT_TEXTS, TOLD_OF_SOMEBODY, WITHDRAWING
from pipeline.store.columns import count_column, metadata, moment_column, one_of

# `also`: a lead is this besides. `later`: it is, once another event of its record stands for the lead.
ACTIVITY_STATES = ("waiting", "known", "ended", "also", "later")

people = Table(
    "people",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("profile", LargeBinary, nullable=False),
    *(
        moment_column(f"{end}_{fact}") if fact == "at" else Column(f"{end}_{fact}", Text)
        for end in ATTRIBUTED_ENDS
        for fact in ATTRIBUTED_FACTS
    ),
    *(Column(f"{end}_event", Uuid) for end in ATTRIBUTED_ENDS),
    count_column("original_position", SmallInteger),  # of the touch among those of its event
    count_column("latest_position", SmallInteger),
    Column("owner", Text),
    count_column("touches"),
    moment_column("created_at", nullable=False, is_now=True),
    moment_column("updated_at", nullable=False, is_now=True),
    Column("merged_into", Uuid),  # the person it is one with now; nothing else hangs on such a row
    moment_column("rerouted_at"),  # of the touches' latest
    PrimaryKeyConstraint("person_id", name="people_pkey"),
)
Index("people_merged", people.c.merged_into, postgresql_where=text("merged_into IS NOT NULL"))

touches = Table(
    "touches",
    metadata,
    Column("event_id", Uuid, nullable=False),
    count_column("position", SmallInteger),  # 0: the event's own; others its source remembered from before
    Column("person_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    moment_column("occurred_at", nullable=False),
    Column("source", Text, nullable=False),
    Column("medium", Text),  # NULL: written before there was such a column; then it stands in `details`
    Column("channel", Text, nullable=False),
    Column("rules_version", Text),  # of the rules that the channel was found by
    *(Column(name, Text) for name in ("campaign", *UTM_FIELDS)),
    Column("click_ids", JSONB, nullable=False, server_default=text("'{}'")),
    Column("referrer_host", Text),
    Column("landing_path", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    moment_column("rerouted_at"),  # when it was found to ask for its person to be routed again
    PrimaryKeyConstraint("event_id", "position", name="touches_pkey"),
)
Index("touches_person", touches.c.person_id)

consents = Table(
    "consents",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("granted", Boolean),  # null: asked, not answered
    moment_column("at", nullable=False),
    Column("source", Text),
    Column("policy_version", Text),
    moment_column("created_at", nullable=False, is_now=True),
    Column("act", Text),  # null: a plain answer
    *(Column(name, Text) for name in CONSENT_TEXTS),
    *(moment_column(name) for name in CONSENT_MOMENTS),
    moment_column("lapsed_at"),  # when it was found that it had expired, and CRMs were to be told
    PrimaryKeyConstraint("event_id", "purpose", "channel", name="consents_pkey"),
    one_of("act", CONSENT_ACTS, "consents_act_known"),
)
Index("consents_person", consents.c.person_id)
Index(
    "consents_expiry",
    consents.c.expires_at,
    postgresql_where=text("expires_at IS NOT NULL AND lapsed_at IS NULL"),
)

withdrawn_points = Table(  # addresses and numbers by which nobody may be sent what was withdrawn
    "withdrawn_points",
    metadata,
    Column("key", BigInteger, nullable=False, autoincrement=False),  # as in evidence_keys
    Column("brand", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("act", Text, nullable=False),
    moment_column("at", nullable=False),  # the latest
    Column("event_id", Uuid, nullable=False),  # that said it then
    moment_column("created_at", nullable=False, is_now=True),
    moment_column("linked_at"),  # when all evidence with it was found; NULL: it is still to be
    PrimaryKeyConstraint("key", "purpose", "channel", "act", name="withdrawn_points_pkey"),
    one_of("act", WITHDRAWING, "withdrawn_points_act_known"),
)
Index(
    "withdrawn_points_unlinked",
    withdrawn_points.c.created_at,
    postgresql_where=text("linked_at IS NULL"),
)

withdrawn_evidence = Table(  # which evidence has a withdrawn address or number
    "withdrawn_evidence",
    metadata,
    Column("evidence_id", Uuid, nullable=False),
    Column("key", BigInteger, nullable=False, autoincrement=False),
    PrimaryKeyConstraint("evidence_id", "key", name="withdrawn_evidence_pkey"),
)

withdrawals_to_ledger = Table(  # on their way into the file that no restored backup forgets
    "withdrawals_to_ledger",
    metadata,
    Column("key", BigInteger, nullable=False, autoincrement=False),
    Column("brand", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("act", Text, nullable=False),
    moment_column("at", nullable=False),
    Column("event_id", Uuid, nullable=False),
    moment_column("queued_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("key", "purpose", "channel", "act", name="withdrawals_to_ledger_pkey"),
)

person_consents = Table(  # what CRMs are told of consent: one record for each, whatever it becomes
    "person_consents",
    metadata,
    Column("consent_id", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("person_id", Uuid, nullable=False),  # who was asked; stays when they turn out to be another
    Column("owner_id", Uuid, nullable=False),  # who they are by now, whose answers hold
    Column("brand", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("person_version", Integer, nullable=False),  # of the person, and of the owner, when this was noted last
    Column("owner_version", Integer, nullable=False),
    Column("is_withdrawn", Boolean, nullable=False),  # refused by one who granted it, or who is one with one who did
    PrimaryKeyConstraint("consent_id", name="person_consents_pkey"),
)
Index(
    "person_consents_question",
    person_consents.c.person_id,
    person_consents.c.purpose,
    person_consents.c.channel,
    unique=True,
)
Index("person_consents_owner", person_consents.c.owner_id)

activities = Table(  # what a record says of somebody, and is no lead
    "activities",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("says", Text, nullable=False),
    Column("kind", Text, nullable=False),
    moment_column("at", nullable=False),
    Column("state", Text, nullable=False),
    Column("evidence_id", Uuid),  # of a lead: whose person it is, whoever that becomes; NULL: nobody is known yet
    moment_column("waits_until"),  # NULL: for good
    moment_column("looked_at", nullable=False, is_now=True),  # when somebody was looked for
    Column("sealed_evidence", LargeBinary),  # what it says of who that is; NULL where evidence_events knows
    Column("sealed", LargeBinary, nullable=False),  # its details and consents
    PrimaryKeyConstraint("event_id", name="activities_pkey"),
    one_of("says", TOLD_OF_SOMEBODY, "activities_says_known"),
    one_of("state", ACTIVITY_STATES, "activities_state_known"),
)
Index("activities_evidence", activities.c.evidence_id, postgresql_where=text("evidence_id IS NOT NULL"))
Index("activities_looked_at", activities.c.looked_at, postgresql_where=text("state = 'waiting'"))
Index("activities_waits_until", activities.c.waits_until, postgresql_where=text("state = 'waiting'"))

activity_keys = Table(
    "activity_keys",
    metadata,
    Column("key", BigInteger, nullable=False, autoincrement=False),  # as in evidence_keys, of waiting activities
    Column("event_id", Uuid, nullable=False),
    PrimaryKeyConstraint("key", "event_id", name="activity_keys_pkey"),
)
Index("activity_keys_event", activity_keys.c.event_id)

companies = Table(
    "companies",
    metadata,
    Column("company_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("key_id", Uuid, nullable=False),  # a keyed digest of its domain, or of its name where none is known
    moment_column("created_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("company_id", name="companies_pkey"),
)
Index("companies_key", companies.c.brand, companies.c.key_id, unique=True)

person_companies = Table(
    "person_companies",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("company_id", Uuid, nullable=False),
    Column("values_id", Uuid, nullable=False),  # a keyed digest of what the person says of it
    moment_column("changed_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("person_id", name="person_companies_pkey"),
)
Index("person_companies_company", person_companies.c.company_id, person_companies.c.changed_at)
