"""A workbench of the kind `sql`: a database of a team, behind a line that loses the answer to a commit on request."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, urlsplit

from connectors.destinations.sql import DESTINATION
from connectors.kit import Connection, SentField
from connectors.kit.conformance.destinations import Consents, Linked, SeenRecord, Workbench
from connectors.kit.conformance.destinations.workbenches import TIMEOUT_SECONDS
from tests.support.target_database import TABLE, Target

_COMMIT = b"COMMIT\0"


class CommitLine:
    """Passes on what goes to a server's socket and comes from it. While `loses_commit`, the next COMMIT is passed on,
    and once the server has answered it the client's connection is cut."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.loses_commit = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def lose_commit(self) -> None:
        self.loses_commit = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, contextlib.suppress(OSError):
            server.connect(self._server_socket)
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    piece = ready.recv(65_536)
                    if not piece:
                        return
                    (server if ready is client else client).sendall(piece)
                    if ready is client and self.loses_commit and _COMMIT in piece:
                        self.loses_commit = False
                        server.recv(65_536)
                        return


@contextlib.contextmanager
def sql_workbench(database_url: str) -> Iterator[Workbench]:
    target = Target(database_url)
    [folder] = parse_qs(urlsplit(target.url).query)["host"]
    line = CommitLine(f"{folder}/.s.PGSQL.5432")
    connection = Connection(
        "crm",
        f"postgresql://127.0.0.1:{line.port}{urlsplit(target.url).path}",
        options={"create_tables": True},
        secrets={"user": "postgres"},
        timeout_seconds=TIMEOUT_SECONDS,
    )

    def seen(_keys: Sequence[str], name: str | None) -> list[SeenRecord]:
        table = TABLE if name is None else f"afluente.{name}"
        if target.execute(f"SELECT to_regclass('{table}')") == [(None,)]:
            return []
        rows = target.execute(f"SELECT afluente_id, to_jsonb(kept) - 'updated_at' FROM {table} kept")
        return [SeenRecord(key, key, fields) for key, fields in rows]

    try:
        linked = Linked("buyers", {"last_name": "Quillfeather"}, "company_id", "companies", {"company": "Bramblewick"})
        consents = Consents(
            "consents",
            lambda number: {"purpose": "marketing", "channel": "email", "person_id": f"person {number}"},
            {"state": "granted"},
            {"state": "withdrawn"},
            tuple(map(SentField, ("purpose", "channel", "person_id", "state"))),
        )
        yield Workbench(
            DESTINATION,
            connection,
            dict,
            seen,
            lose_answers=line.lose_commit,
            linked=linked,
            consents=consents,
            changed_field="updated_at",
        )
    finally:
        line.close()
