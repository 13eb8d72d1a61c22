"""All tables as models: what exists, of which type, with which index. docs/decisions/0006-store.md gives the reasons.

Each room of the store declares its own. The statements of the hot path are written as SQL beside their functions; a
test holds these models and the migrations equal. `events` and `event_bodies` are partitioned by month
(store/schema.py), so the partitions are not listed here.
"""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, Table, Text

from pipeline.store.columns import metadata, moment_column
from pipeline.store.deliveries import tables as deliveries
from pipeline.store.events import tables as events
from pipeline.store.fetches import tables as fetches
from pipeline.store.identity import tables as identity
from pipeline.store.people import tables as people
from pipeline.store.webhooks import tables as webhooks

__all__ = ["deliveries", "events", "fetches", "identity", "keyring", "metadata", "people", "webhooks"]

keyring = Table(
    "keyring",
    metadata,
    Column("name", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    moment_column("created_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("name", name="keyring_pkey"),
)
