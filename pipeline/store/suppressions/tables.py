"""The table of suppressed addresses."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, Uuid

from pipeline.store.columns import metadata, moment_column, one_of

REASONS = ("erased", "objection", "spam")

suppressions = Table(
    "suppressions",
    metadata,
    Column("brand", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # 16 bytes; the first 8 are `key`
    Column("key", BigInteger, nullable=False, autoincrement=False),  # as in evidence_keys
    Column("reason", Text, nullable=False),
    moment_column("at", nullable=False, is_now=True),
    Column("request_id", Uuid),  # of the request that brought it; NULL: none did
    PrimaryKeyConstraint("brand", "digest", name="suppressions_pkey"),
    one_of("reason", REASONS, "suppressions_reason_known"),
)
Index("suppressions_key", suppressions.c.key)
Index("suppressions_request", suppressions.c.request_id)
