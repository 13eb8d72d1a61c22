"""Tables of the keys that seal personal data. Keys are named by the first bytes of their digest; none is in here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Text

from pipeline.store.columns import count_column, metadata, moment_column

sealing_keys = Table(
    "sealing_keys",
    metadata,
    Column("key_id", Text, nullable=False),  # eight hexadecimal digits, as sealed values begin with
    moment_column("first_used_at", nullable=False, is_now=True),
    moment_column("unused_since"),  # nothing that is stored needs it; NULL: something may
    PrimaryKeyConstraint("key_id", name="sealing_keys_pkey"),
)

reseals = Table(
    "reseals",
    metadata,
    Column("sealed_table", Text, nullable=False),
    Column("key_id", Text, nullable=False),  # the key that it is sealed with anew
    Column("after", Text),  # all rows up to this key, as JSON, were looked at; NULL: none
    count_column("resealed", BigInteger),
    moment_column("began_at", nullable=False, is_now=True),
    moment_column("ended_at"),  # of the last pass that left nothing
    PrimaryKeyConstraint("sealed_table", name="reseals_pkey"),
)
