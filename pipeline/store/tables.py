"""All tables as models: what exists, of which type, with which index. docs/decisions/0006-store.md gives the reasons.

Each room of the store declares its own. The statements of the hot path are written as SQL beside their functions; a
test holds these models and the migrations equal. `events` and `event_bodies` are partitioned by month
(store/schema.py), so the partitions are not listed here.
"""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, Table, Text, text

from pipeline.store.audit import tables as audit
from pipeline.store.columns import metadata, moment_column, one_of
from pipeline.store.confirmations import tables as confirmations
from pipeline.store.deliveries import tables as deliveries
from pipeline.store.erasures import tables as erasures
from pipeline.store.events import tables as events
from pipeline.store.fetches import tables as fetches
from pipeline.store.holds import tables as holds
from pipeline.store.identity import tables as identity
from pipeline.store.keys import tables as keys
from pipeline.store.people import tables as people
from pipeline.store.retention import tables as retention
from pipeline.store.service_keys import tables as service_keys
from pipeline.store.source_tokens import STATES as TOKEN_STATES
from pipeline.store.sources import tables as sources
from pipeline.store.suppressions import tables as suppressions
from pipeline.store.users import tables as users
from pipeline.store.webhooks import tables as webhooks

__all__ = [
    "audit",
    "confirmations",
    "deliveries",
    "erasures",
    "events",
    "fetches",
    "holds",
    "identity",
    "keyring",
    "keys",
    "metadata",
    "people",
    "retention",
    "service_keys",
    "source_tokens",
    "sources",
    "suppressions",
    "users",
    "webhooks",
]

keyring = Table(
    "keyring",
    metadata,
    Column("name", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    moment_column("created_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("name", name="keyring_pkey"),
)

source_tokens = Table(
    "source_tokens",
    metadata,
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'asked'")),
    Column("granted_for", Text),  # a digest of the token server and of what was asked there
    Column("sealed", LargeBinary),  # the access token and the refresh token
    Column("scopes", Text),
    moment_column("connected_at"),  # when a human agreed
    moment_column("refreshed_at"),
    moment_column("expires_at"),
    Column("last_error", Text),
    PrimaryKeyConstraint("brand", "source", name="source_tokens_pkey"),
    one_of("state", TOKEN_STATES, "source_tokens_state_known"),
)
