"""The table of service keys. A key that is revoked stays, so that its id in the audit log says whose it was."""

from __future__ import annotations

from sqlalchemy import ARRAY, Column, Date, LargeBinary, PrimaryKeyConstraint, Table, Text, text

from pipeline.store.columns import metadata, moment_column


def _texts(name: str) -> Column[object]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


service_keys = Table(
    "service_keys",
    metadata,
    Column("key_id", Text, nullable=False),  # stands in the key itself, in clear
    Column("name", Text, nullable=False),  # several may have one, while one is replaced by another
    Column("digest", LargeBinary, nullable=False),
    Column("role", Text),  # NULL: what it may do is in `scopes` alone
    _texts("scopes"),
    _texts("brands"),  # empty: all
    _texts("sources"),  # empty: all
    _texts("networks"),  # empty: from everywhere
    moment_column("created_at", nullable=False, is_now=True),
    Column("created_by", Text, nullable=False),
    moment_column("expires_at"),
    Column("last_used_on", Date),
    moment_column("revoked_at"),
    PrimaryKeyConstraint("key_id", name="service_keys_pkey"),
)
