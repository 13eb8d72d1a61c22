"""Tables of what is known of sources themselves."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Float, PrimaryKeyConstraint, Table, Text, text

from pipeline.store.columns import count_column, metadata, moment_column

source_hours = Table(
    "source_hours",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    moment_column("hour", nullable=False),
    count_column("heard", BigInteger),  # bit n: something came in minute n of the hour
    count_column("watched", BigInteger),  # bit n: we were there to hear it
    PrimaryKeyConstraint("brand", "source", "hour", name="source_hours_pkey"),
)

source_rhythms = Table(
    "source_rhythms",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    moment_column("watched_since", nullable=False, is_now=True),
    moment_column("judged_at", nullable=False, is_now=True),
    moment_column("last_heard_at"),
    moment_column("unusual_since"),  # the minute in which its silence became unusual; NULL: it is not
    Column("usual_seconds", Float),  # between two leads; NULL: too little is known of its rhythm
    Column("is_of_this_hour", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("brand", "source", name="source_rhythms_pkey"),
)

source_subscriptions = Table(
    "source_subscriptions",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    moment_column("checked_at", nullable=False, is_now=True),
    Column("token", Text),  # ok, refused; NULL: nobody could tell
    Column("hook", Text),  # active, paused, elsewhere, absent; NULL: nobody could tell
    Column("missing_scopes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("error", Text),  # why nobody could tell
    PrimaryKeyConstraint("brand", "source", name="source_subscriptions_pkey"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("part", Text, nullable=False),
    moment_column("seen_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("part", name="heartbeats_pkey"),
)
