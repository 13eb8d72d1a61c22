"""Tables of the audit log. Triggers of their migration refuse whatever would change what is written."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.records.actors import ACTOR_KINDS, AUTHENTICATIONS
from pipeline.store.columns import metadata, moment_column, one_of

audit_log = Table(
    "audit_log",
    metadata,
    Column("brand", Text, nullable=False),  # empty: of the installation
    Column("number", BigInteger, nullable=False),  # its place in the brand's chain: 1, 2, …
    moment_column("at", nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("auth", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_kind", Text),
    Column("object_id", Text),
    Column("reason", Text),
    Column("outcome", Text, nullable=False),
    Column("changed", JSONB),  # field -> keyed digests of before and after; NULL: none, or taken out again
    Column("changed_digest", LargeBinary),  # of `changed`: the chain goes over this, so that `changed` can be taken out
    Column("request_id", Text),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("brand", "number", name="audit_log_pkey"),
    one_of("actor_kind", ACTOR_KINDS, "audit_log_actor_known"),
    one_of("auth", AUTHENTICATIONS, "audit_log_auth_known"),
)
Index("audit_log_time", audit_log.c.at)
Index("audit_log_object", audit_log.c.object_id, postgresql_where=text("object_id IS NOT NULL"))

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("brand", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("brand", name="audit_heads_pkey"),
)
