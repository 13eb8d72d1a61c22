"""SQL stands in pipeline/store and nowhere else in it: who reads a statement sees the others of its table beside it.

A statement elsewhere belongs into the store's room of its kind (events, people, identity, deliveries, reports), behind
a function with types. Sessions and tables of SQLAlchemy stay there too; others only hand its `Connection` on.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.paths import ROOT

_SQL = re.compile(
    r"\s*(?:SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+(?:\w+\s+)?SET\s|DELETE\s+FROM\s|WITH\s+(?:RECURSIVE\s+)?\w+\s.*\bAS\b"
    r"|(?:CREATE|ALTER|DROP|TRUNCATE)\s+[A-Z]+\s|(?:SHOW|SET\s+LOCAL)\s+\w+|COPY\s+\w+|LOCK\s+TABLE\s)",
    re.DOTALL,
)
_CALLS = ("exec_driver_sql", "execute_values", "executemany")
_MODULES = ("sqlalchemy", "psycopg2", "alembic")
_ALLOWED_NAMES = {"Connection"}
FILES = sorted(path for path in (ROOT / "pipeline").rglob("*.py") if "store" not in path.relative_to(ROOT).parts)


def sql_in(source: str) -> list[str]:
    """What of a module belongs into the store, as sentences with their lines."""
    return [f"line {line}: {problem}" for line, problem in sorted(_problems(ast.parse(source)))]


def _problems(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SQL.match(node.value):
            yield node.lineno, f"a statement: {' '.join(node.value.split())[:40]}"
        elif isinstance(node, ast.Attribute) and node.attr in _CALLS:
            yield node.lineno, f"a call of {node.attr}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _MODULES:
            yield from (
                (node.lineno, f"imports {alias.name}") for alias in node.names if alias.name not in _ALLOWED_NAMES
            )
        elif isinstance(node, ast.Import):
            yield from (
                (node.lineno, f"imports {alias.name}") for alias in node.names if alias.name.split(".")[0] in _MODULES
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sql_stands_outside_the_store(path):
    assert sql_in(path.read_text(encoding="utf-8")) == [], f"{path.relative_to(ROOT)}: move it into pipeline/store"


@pytest.mark.parametrize(
    "planted",
    [
        'QUERY = "SELECT 1 FROM people"',
        'QUERY = f"""\n  SELECT {columns} FROM events"""',
        'QUERY = "UPDATE people p SET version = 1"',
        'QUERY = "INSERT INTO events VALUES (1)"',
        'QUERY = "DELETE FROM events"',
        'QUERY = "WITH due AS (SELECT 1) SELECT * FROM due"',
        'QUERY = "SHOW server_version"',
        "connection.exec_driver_sql(statement)",
        "from sqlalchemy import Connection, select",
        "import psycopg2",
    ],
)
def test_a_planted_statement_is_found(planted):
    assert sql_in(planted)


@pytest.mark.parametrize("innocent", ['TEXT = "Select a file"', "from sqlalchemy import Connection", 'x = "SET"'])
def test_what_is_no_statement_is_left_alone(innocent):
    assert sql_in(innocent) == []
