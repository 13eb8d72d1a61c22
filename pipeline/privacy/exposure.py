"""What is to be told of a breach within 72 hours (article 33(3) of the GDPR): how many people, of which kind of data,
under which keys, and who looked at them. Counts and names of fields alone, no value of anybody."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import Connection

from pipeline.audit.entries import record_action
from pipeline.crypto.encryption import cipher
from pipeline.errors import ConfigurationError, UsageError
from pipeline.records.base import Fact
from pipeline.settings.loading import settings
from pipeline.store import exposed
from pipeline.store.exposed import Reader, Window

_KEY_ID_DIGITS = 8


class Exposure(Fact, frozen=True):
    """`people`: by brand. `fields`: how many have a value of it. `countries`: of people, "" where none is known.
    `kept`: what there is besides. `keys`: sealing keys by id, and whether we still have each. `left_out`: why fields
    and countries are not known."""

    people: dict[str, int]
    leads: int
    leads_of_nobody: int
    fields: dict[str, int]
    countries: dict[str, int]
    kept: dict[str, int]
    keys: dict[str, int]
    keys_here: list[str]
    regions: dict[str, str | None]
    readers: list[Reader]
    left_out: str | None = None


def exposure(
    connection: Connection,
    *,
    source: str | None = None,
    key: str | None = None,
    reader: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Exposure:
    """By one of: the source that brought them, the id of the key that seals them (8 hexadecimal digits, as `doctor`
    says), the id of who looked at them (a user or a service key). Raises UsageError."""
    window = Window(since, until)
    kind, value = _asked(source, key, reader)
    exposed.list_exposed(connection, kind, value, window)
    people = exposed.count_people(connection)
    leads, of_nobody = exposed.count_leads(connection)
    fields, countries, left_out = _fields(connection)
    found = Exposure(
        people,
        leads,
        of_nobody,
        fields,
        countries,
        exposed.count_kept(connection),
        exposed.count_sealing_keys(connection),
        cipher().key_ids,
        {brand: settings().brands[brand].region if brand in settings().brands else None for brand in people},
        exposed.read_readers(connection, window),
        left_out,
    )
    record_action(connection, "privacy.exposure", object_kind=kind, object_id=source or key or reader)
    return found


def _asked(source: str | None, key: str | None, reader: str | None) -> tuple[str, str | bytes]:
    given = [(kind, text) for kind, text in (("source", source), ("key", key), ("reader", reader)) if text]
    if len(given) != 1:
        raise UsageError("say what was exposed by one of --source, --key and --reader")
    kind, text = given[0]
    if kind != "key":
        return kind, text
    try:
        digits = bytes.fromhex(text)
    except ValueError:
        digits = b""
    if len(text) != _KEY_ID_DIGITS or not digits:
        raise UsageError(
            "is the id of a sealing key, 8 hexadecimal digits; `afluente doctor` says them", argument="key"
        )
    return kind, digits


def _fields(connection: Connection) -> tuple[dict[str, int], dict[str, int], str | None]:
    fields: Counter[str] = Counter()
    countries: Counter[str] = Counter()
    try:
        for values in exposed.read_values(connection):
            fields.update(name for name, value in values.items() if value not in (None, "", []))
            countries[str(values.get("country") or "")] += 1
    except ConfigurationError as error:
        return {}, {}, str(error)
    return dict(fields.most_common()), dict(countries.most_common()), None
