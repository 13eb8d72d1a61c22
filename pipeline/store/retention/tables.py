"""Tables of retention. The view `events_kept` of migration 0032 has the events of which nothing may go: all that hang
on people whom a legal hold or a restriction is about."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, PrimaryKeyConstraint, Table, Text

from pipeline.store.columns import count_column, metadata, moment_column

retention_rules = Table(  # for how long at the least, as somebody approved it
    "retention_rules",
    metadata,
    Column("rule", Text, nullable=False),  # what it is about, in words
    Column("seconds", BigInteger, nullable=False),
    moment_column("approved_at", nullable=False, is_now=True),
    Column("approved_by", Text, nullable=False),
    PrimaryKeyConstraint("rule", name="retention_rules_pkey"),
)

retention_runs = Table(  # of each class the last one
    "retention_runs",
    metadata,
    Column("what", Text, nullable=False),
    moment_column("began_at", nullable=False),
    Column("after", Text),  # the last that was looked at: a run that was cut short goes on behind it
    moment_column("ended_at"),
    count_column("retired", BigInteger),
    PrimaryKeyConstraint("what", name="retention_runs_pkey"),
)

retired = Table(
    "retired",
    metadata,
    Column("day", Date, nullable=False),  # of UTC
    Column("what", Text, nullable=False),
    Column("brand", Text, nullable=False),  # empty: of no brand
    Column("source", Text, nullable=False),  # empty: of no source
    count_column("count", BigInteger),
    PrimaryKeyConstraint("day", "what", "brand", "source", name="retired_pkey"),
)
