"""What Alembic runs: the steps, on the connection that store/schema.py hands over."""

from __future__ import annotations

from alembic import context

from pipeline.store.schema import is_partition
from pipeline.store.tables import metadata


def _is_compared(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and name is not None and is_partition(name))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=_is_compared,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
context.run_migrations()
