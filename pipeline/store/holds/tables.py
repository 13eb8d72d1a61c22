"""Tables of legal holds, of restrictions, and of what of the ledger is known here.

Three views of migration 0026 say whom they are about: `people_held`, `people_restricted`, and `people_kept`, which is
both. Whoever is one with somebody held is held, and so is who was taken apart from them since.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, Uuid, text

from pipeline.store.columns import metadata, moment_column, one_of

HOLD, RESTRICTION = "hold", "restriction"
HOLD_KINDS = (HOLD, RESTRICTION)

legal_holds = Table(  # never deleted, which a trigger sees to: only released
    "legal_holds",
    metadata,
    Column("hold_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),  # as it was named; who that became follows from the views
    Column("brand", Text, nullable=False),
    Column("reason", Text, nullable=False),
    moment_column("placed_at", nullable=False, is_now=True),
    Column("placed_by", Text, nullable=False),
    moment_column("released_at"),
    Column("released_by", Text),
    Column("release_reason", Text),
    PrimaryKeyConstraint("hold_id", name="legal_holds_pkey"),
    one_of("kind", HOLD_KINDS, "legal_holds_kind_known"),
)
Index("legal_holds_person", legal_holds.c.person_id)
Index("legal_holds_open", legal_holds.c.kind, legal_holds.c.person_id, postgresql_where=text("released_at IS NULL"))

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("hash", LargeBinary, nullable=False),  # of a line of the ledger
    Column("request_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    moment_column("at", nullable=False),
    moment_column("known_at", nullable=False, is_now=True),
    PrimaryKeyConstraint("hash", name="ledger_entries_pkey"),
)
