"""Tables of what is to be read from sources. What was read stands in `event_bodies`, beside what came."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, PrimaryKeyConstraint, Table, Text, Uuid, text

from pipeline.store.columns import count_column, metadata, moment_column

fetches = Table(  # a row for each record that is still to be read, and none for any other
    "fetches",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    count_column("attempts"),  # failed ones
    moment_column("due_at", nullable=False, is_now=True),  # of a claimed one: when its lease runs out
    Column("claim", Uuid),
    Column("last_error", Text),
    moment_column("created_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("event_id", name="fetches_pkey"),
)
Index("fetches_due", fetches.c.source, fetches.c.brand, fetches.c.due_at)

fetch_pauses = Table(  # sources that nobody asks for a while
    "fetch_pauses",
    metadata,
    Column("source", Text, nullable=False),
    Column("brand", Text, nullable=False),
    moment_column("until", nullable=False),
    count_column("failures"),  # in a row; then one record is tried, not many
    Column("is_terminal", Boolean, nullable=False, server_default=text("false")),  # a human must act
    Column("error", Text, nullable=False),
    Column("settings_digest", Text, nullable=False),  # other settings end the pause
    PrimaryKeyConstraint("source", "brand", name="fetch_pauses_pkey"),
)
