"""Tables of any PostgreSQL database: rows upserted by our id, a batch in one statement and one transaction."""

from connectors.destinations.sql.abilities import BATCH_SIZE
from connectors.destinations.sql.writer import SqlWriter
from connectors.kit import SUBJECTS, DestinationType, ObjectType, Option

__all__ = ["DESTINATION", "SqlWriter"]

DESTINATION = DestinationType(
    kind="sql",
    title="PostgreSQL",
    docs_url="https://www.postgresql.org/docs/current/sql-insert.html",
    open=SqlWriter,
    batch_size=BATCH_SIZE,
    calls_per_second=20.0,
    burst=20,
    options=(
        Option("create_tables", "boolean", default=False, help="make schema and table where they are not there"),
        Option("schema", default="afluente", help="the schema that the table is in"),
        Option(
            "sslmode",
            allowed=("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
            help="how the connection is encrypted; not set: where the server can (prefer)",
        ),
        Option("table", default="contacts", help="the table that people are written to"),
    ),
    secrets=("password", "user"),
    merge="mark",
    schemes=("postgresql", "postgres"),
    objects=(ObjectType("*", SUBJECTS),),
)
