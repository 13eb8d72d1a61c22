"""PostgreSQL: SQL beside its function, tables in the room they belong to."""
