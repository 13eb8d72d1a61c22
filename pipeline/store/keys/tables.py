"""Tables of the keys that seal personal data, and of those of the index. Keys are named by the first bytes of their
digest; none is in here."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from pipeline.store.columns import count_column, metadata, moment_column, one_of

COMING, CURRENT, LEAVING, KEPT = "coming", "current", "leaving", "kept"
INDEX_KEY_STATES = (COMING, CURRENT, LEAVING, KEPT)

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

index_keys = Table(
    "index_keys",
    metadata,
    Column("generation", SmallInteger, nullable=False, autoincrement=False),  # 0: the first, made with the database
    Column("key_id", Text, nullable=False),  # eight hexadecimal digits
    Column("state", Text, nullable=False),
    moment_column("made_at", nullable=False, is_now=True),
    moment_column("current_since"),
    PrimaryKeyConstraint("generation", name="index_keys_pkey"),
    UniqueConstraint("key_id", name="index_keys_key_id"),
    one_of("state", INDEX_KEY_STATES, "index_keys_state_known"),
)
Index("index_keys_current", index_keys.c.state, unique=True, postgresql_where=text("state <> 'kept'"))

index_rotation = Table(
    "index_rotation",
    metadata,
    Column("step", Text, nullable=False),
    Column("after", Text),  # all rows up to this key, as JSON, are done; NULL: none
    count_column("done", BigInteger),
    moment_column("began_at", nullable=False, is_now=True),
    moment_column("ended_at"),
    PrimaryKeyConstraint("step", name="index_rotation_pkey"),
)
