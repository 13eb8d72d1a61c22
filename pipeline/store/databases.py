"""Makes databases on the embedded server, before there is one to connect to as usual."""

from __future__ import annotations

from pathlib import Path

import psycopg2
from psycopg2 import sql

from pipeline.settings.installation import socket_folder


def make_database(data: Path, name: str, *, template: str = "template1") -> None:
    """Create the database `name` on the server of this data folder, as a copy of `template`, unless there is one.

    Raises psycopg2.Error.
    """
    connection = psycopg2.connect(host=str(socket_folder(data)), user="postgres", dbname="postgres")
    try:
        connection.autocommit = True  # CREATE DATABASE refuses to run inside a transaction
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
                )
    finally:
        connection.close()
