"""Tables of outgoing webhooks. Triggers of migration 0013 write the messages, in the transaction of what they tell."""

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

from pipeline.records.webhooks import WEBHOOK_STATES
from pipeline.store.columns import count_column, metadata, moment_column, one_of

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("name", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("brands", ARRAY(Text)),  # NULL: all
    Column(
        "is_declared", Boolean, nullable=False, server_default=text("true")
    ),  # stands in the settings, or subscribed
    Column("is_enabled", Boolean, nullable=False, server_default=text("true")),  # as the settings say
    moment_column("since", nullable=False, is_now=True),  # what happened before is not told
    Column("sealed", LargeBinary),  # of a subscription: its address and secret
    Column("key_name", Text),  # of the API key that subscribed
    moment_column("off_since"),
    Column("off_because", Text),
    count_column("failures"),  # calls in a row without a success
    count_column("failed_messages"),  # messages in a row that ran out of attempts
    moment_column("failing_since"),
    moment_column("paused_until"),
    moment_column("last_success_at"),
    moment_column("last_called_at"),
    Column("last_code", Text),
    PrimaryKeyConstraint("name", name="webhook_endpoints_pkey"),
)

webhook_messages = Table(
    "webhook_messages",
    metadata,
    Column("message_id", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),  # messages about one subject go out one after the other
    Column("person_id", Uuid),
    Column("event_id", Uuid),
    Column("other_id", Uuid),
    Column("destination", Text),
    Column("version", Integer),
    moment_column("created_at", nullable=False, is_now=True),
    Column("state", Text, nullable=False, server_default=text("'due'")),
    count_column("attempts"),
    moment_column("next_attempt_at", nullable=False, is_now=True),
    Column("claim", Uuid),
    moment_column("lease_until"),
    Column("last_code", Text),
    moment_column("ended_at"),
    PrimaryKeyConstraint("message_id", name="webhook_messages_pkey"),
    one_of("state", WEBHOOK_STATES, "webhook_messages_state_known"),
)
Index(
    "webhook_messages_due",
    webhook_messages.c.endpoint,
    webhook_messages.c.next_attempt_at,
    postgresql_where=text("state = 'due'"),
)
Index(
    "webhook_messages_open",
    webhook_messages.c.endpoint,
    webhook_messages.c.subject_id,
    webhook_messages.c.seq,
    postgresql_where=text("state IN ('due', 'in_flight', 'held')"),
)
Index("webhook_messages_in_flight", webhook_messages.c.endpoint, postgresql_where=text("state = 'in_flight'"))
Index("webhook_messages_failed", webhook_messages.c.endpoint, postgresql_where=text("state = 'failed'"))
Index("webhook_messages_held", webhook_messages.c.endpoint, postgresql_where=text("state = 'held'"))
Index("webhook_messages_time", webhook_messages.c.endpoint, webhook_messages.c.created_at)
