"""People whom a CRM has before us, half of whom come as leads under other spellings, some of whom it has twice.

`Before` is such a CRM, whatever its kind: filled, pointed to by the settings, and looked into.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from connectors.kit import QuotaError
from connectors.sandbox.server import Sandbox
from pipeline.delivery.writers import close_writer, open_writer
from pipeline.store.deliveries.deliveries import due_counts
from pipeline.store.engine import transaction
from pipeline.targets import Target
from tests.support import hubspot_crm
from tests.support.services import forget_caches
from tests.support.target_database import Target as Database

_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_GIVEN = ("Ada", "Bruno", "Clara", "Diego", "Elena", "Felix", "Greta", "Hugo", "Irene", "Jonas", "Karla", "Luis")
_MOST = 20  # calls of `deliver` in vain


class Known(NamedTuple):
    """A person as the CRM has them."""

    first: str
    last: str
    email: str | None = None
    phone: str | None = None


def family_name(number: int) -> str:
    """Another one for each number, of letters."""
    name = ""
    for _ in range(4):
        number, place = divmod(number, len(_CONSONANTS) * len(_VOWELS))
        name += _CONSONANTS[place // len(_VOWELS)] + _VOWELS[place % len(_VOWELS)]
    return name.capitalize()


def person(number: int) -> Known:
    first, last = _GIVEN[number % len(_GIVEN)], family_name(number)
    return Known(first, last, f"{first}.{last}@gmail.com".lower(), f"+49 30 {23000000 + number}")


def twin(number: int) -> Known:
    """The same person once more: another address and the same number."""
    known = person(number)
    return known._replace(email=f"{known.last}{number}@web.de".lower(), phone=f"004930{23000000 + number}")


def lead(number: int) -> dict[str, Any]:
    """The same person as a lead, never spelled as the CRM has it."""
    known = person(number)
    assert known.email is not None
    told: dict[str, Any] = (
        {"full_name": f"{known.last}, {known.first.upper()}", "email": known.email.upper()},
        {"full_name": f"{known.first} {known.last}", "phone": f"(030) {23000000 + number}", "country": "DE"},
        {"first_name": known.first, "last_name": known.last, "email": f"{known.first}{known.last}+news@gmail.com"},
        {"full_name": f"{known.first[0]}. {known.last}", "email": known.email},
    )[number % 4]
    return {**told, "external_id": f"lead-{number}", "occurred_at": "2026-03-02T09:00:00Z"}


def people_of(count: int, twice: int) -> list[Known]:
    """`count` people, the first `twice` of whom stand there once more."""
    return [*(person(number) for number in range(count)), *(twin(number) for number in range(twice))]


class Before:
    """One CRM. `records`: our key or None, and the last name in each record of a person, by the CRM's id."""

    def __init__(self, config: Path, **destination: Any) -> None:
        self._config, self._destination = config, destination
        self.configure()

    def configure(self, **more: Any) -> None:
        known = {"calls_per_second": 500, "burst": 100, "brands": ["default"], **self._destination, **more}
        document = {
            "brands": {name: {"region": "DE"} for name in ("default", *(f"brand{number}" for number in range(4)))},
            "destinations": {"crm": known},
            "tuning": {"delivery_linger_seconds": 0.0},
        }
        self._config.write_text(json.dumps(document), encoding="utf-8")
        close_writer("crm")
        forget_caches()

    def fill(self, people: Sequence[Known]) -> None:
        raise NotImplementedError

    def records(self) -> dict[str, tuple[str | None, str | None]]:
        writer = open_writer(Target("crm")).writer
        found: dict[str, tuple[str | None, str | None]] = {}
        cursor = None
        while True:
            try:
                page = writer.list_people(cursor)  # type: ignore[attr-defined]
            except QuotaError:
                time.sleep(1)
                continue
            for known in page.people:
                name = known.values.get("last_name") or known.values.get("full_name", "").rpartition(" ")[2]
                found[known.crm_id] = (known.key, name)
            cursor = page.cursor
            if cursor is None:
                return found

    def keys(self) -> set[str]:
        """Our ids that stand there."""
        return {key for key, _ in self.records().values() if key is not None and not key.startswith("old-")}

    def drop(self, crm_id: str) -> None:
        raise NotImplementedError


class SandboxBefore(Before):
    def __init__(self, sandbox: Sandbox, config: Path, kind: str) -> None:
        self.sandbox, self.kind = sandbox, kind
        super().__init__(config, kind=kind, base_url=sandbox.address)

    def fill(self, people: Sequence[Known]) -> None:
        if self.kind == "hubspot":
            for start in range(0, len(people), 100):
                inputs = [{"properties": _named(known, _HUBSPOT)} for known in people[start : start + 100]]
                path = f"{hubspot_crm.CONTACTS}/batch/create"
                while (
                    answer := hubspot_crm.by_hand(self.sandbox, "POST", path, {"inputs": inputs})
                ).status_code == 429:
                    time.sleep(1)
                assert answer.status_code == 201, answer.text
            return
        table, names, more = _TABLES[self.kind]
        known_as = len(self.sandbox_records())
        self.sandbox.records.upsert(
            table,
            {f"id=old-{known_as + place:08}": {**_named(known, names), **more} for place, known in enumerate(people)},
        )

    def sandbox_records(self) -> list[dict[str, Any]]:
        return list(self.sandbox.records.stream())

    def calls(self) -> int:
        """Answered calls, without those for tokens."""
        return sum(call["calls"] for call in self.sandbox.records.calls() if "token" not in call["route"])

    def drop(self, crm_id: str) -> None:
        if self.kind == "hubspot":
            hubspot_crm.by_hand(self.sandbox, "DELETE", f"{hubspot_crm.CONTACTS}/{crm_id}")
            return
        for row in self.sandbox_records():
            if self.sandbox.dialect.record_id(row["id"]) == crm_id:
                self.sandbox.records.delete(row["object"], [row["external_id"]])


class TableBefore(Before):
    def __init__(self, database: Database, config: Path) -> None:
        self.database = database
        super().__init__(
            config,
            kind="sql",
            base_url=database.url,
            secrets={"user": "env:WAREHOUSE_USER"},
            options={"create_tables": True},
        )
        self._made = 0

    def fill(self, people: Sequence[Known]) -> None:
        if not self._made:
            open_writer(Target("crm")).writer.setup()  # type: ignore[attr-defined]
        rows = [{**_named(known, _SQL), "afluente_id": f"old-{self._made + n:08}"} for n, known in enumerate(people)]
        self._made += len(rows)
        with self.database.session() as cursor:
            cursor.execute(
                "INSERT INTO afluente.contacts (afluente_id, first_name, last_name, email, phone, first_written_at,"
                " updated_at) SELECT afluente_id, first_name, last_name, email, phone, now(), now()"
                " FROM jsonb_populate_recordset(NULL::afluente.contacts, %s)",
                (json.dumps(rows),),
            )

    def drop(self, crm_id: str) -> None:
        self.database.execute(f"DELETE FROM afluente.contacts WHERE afluente_id = '{crm_id}'")


_SQL = ("first_name", "last_name", "email", "phone")
_HUBSPOT = ("firstname", "lastname", "email", "phone")
_TABLES: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "salesforce": ("Lead", ("FirstName", "LastName", "Email", "Phone"), {"Company": "Sample Works"}),
    "dataverse": ("leads", ("firstname", "lastname", "emailaddress1", "telephone1"), {"subject": "Demo"}),
}


def _named(known: Known, names: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in zip(names, known, strict=True) if value is not None}


@contextlib.contextmanager
def sandbox_before(folder: Path, kind: str) -> Iterator[SandboxBefore]:
    with Sandbox(port=0, state=folder / "before.sqlite", dialect=kind) as sandbox:
        yield SandboxBefore(sandbox, folder / "afluente.yaml", kind)
        close_writer("crm")


def open_before(request: pytest.FixtureRequest, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Before]:
    """For fixtures, `yield from`: a CRM of the kind that is the request's parameter, with settings that lead to it."""
    patch.setenv("AFLUENTE_CONFIG", str(folder / "afluente.yaml"))
    patch.setenv("WAREHOUSE_USER", "postgres")
    if request.param == "sql":
        yield TableBefore(Database(request.getfixturevalue("empty_database")), folder / "afluente.yaml")
        return
    with sandbox_before(folder, request.param) as before:
        yield before


def due() -> int:
    """Deliveries that could be made now."""
    with transaction() as connection:
        return sum(count for lanes in due_counts(connection).values() for count, _ in lanes.values())
