"""PostgreSQL as connectors use it: one connection with limits, its errors translated, tables looked at and made."""

from connectors.kit.postgres.database import SQL, Composed, Database, Identifier, Literal, Run
from connectors.kit.postgres.tables import Column, Table, Wanted

__all__ = ["SQL", "Column", "Composed", "Database", "Identifier", "Literal", "Run", "Table", "Wanted"]
