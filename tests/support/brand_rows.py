"""Everything that the database holds of one brand, as a digest by table."""

from __future__ import annotations

from pipeline.privacy.inventory import inventory, tables_of_people
from pipeline.store.engine import transaction
from pipeline.store.erasures.found import find_all_of

_NOT_THEIRS = {"audit_log", "audit_heads"}  # who tried at another brand is told in that brand's log


def rows_of_brand(brand: str) -> dict[str, str]:
    """By table, where there are any: rows that name the brand, and rows found by its people's ids."""
    digests: dict[str, str] = {}
    with transaction() as connection:
        people = connection.exec_driver_sql("SELECT person_id FROM people WHERE brand = %s", (brand,)).scalars().all()
        found = find_all_of(connection, list(people))
        reaches = {held.table: held.reach for held in tables_of_people()}
        for table, held in inventory().items():
            ways = {column: list(found.ids.get(word, ())) for column, word in reaches.get(table, {}).items()}
            conditions = [f"{column} = ANY(%({column})s)" for column in ways]
            conditions += ["brand = %(of_brand)s"] if "brand" in held.columns else []
            if not conditions or table in _NOT_THEIRS:
                continue
            digest = connection.exec_driver_sql(
                f"SELECT md5(string_agg(held::text, '|' ORDER BY held::text)) FROM {table} held"
                f" WHERE {' OR '.join(conditions)}",
                {**ways, "of_brand": brand},
            ).scalar_one()
            if digest is not None:
                digests[table] = digest
    return digests
