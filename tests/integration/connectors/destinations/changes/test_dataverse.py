"""Which rows were changed in Dataverse: page by page, in the order of their changes, and whatever else is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.destinations.dataverse import abilities
from connectors.kit import ConfigurationError, Watched
from tests.support.dataverse import batch, sandbox_writer

BOX = Watched(fields=("donotbulkemail",))


def listed(crm, watched=BOX, since=None):
    told, cursor = [], None
    while True:
        page = crm.list_changes(watched, since, cursor)
        told += page.records
        if page.cursor is None:
            return told
        cursor = page.cursor


def test_rows_come_page_by_page_and_one_that_is_changed_meanwhile_comes_again(dataverse, monkeypatch):
    monkeypatch.setattr(abilities, "_PAGE", 2)
    crm = sandbox_writer(dataverse)
    crm.write(batch(5))
    first = crm.list_changes(BOX, None)
    assert (len(first.records), first.cursor is None) == (2, False)
    dataverse.records.upsert("leads", {first.records[0].key: {"donotbulkemail": True}})
    rest, cursor = [], first.cursor
    while cursor is not None:
        page = crm.list_changes(BOX, None, cursor)
        rest += page.records
        cursor = page.cursor
    assert {record.key for record in [*first.records, *rest]} == {f"key-{number}" for number in range(5)}


def test_only_what_was_changed_since_is_told(dataverse):
    crm = sandbox_writer(dataverse)
    crm.write(batch(1))
    assert [record.key for record in listed(crm, since=datetime.now(UTC) - timedelta(minutes=1))] == ["key-0"]
    assert listed(crm, since=datetime.now(UTC) + timedelta(minutes=1)) == []


def test_another_table_is_asked_by_its_own_id_and_for_the_addresses_that_are_named(dataverse):
    table = "msdynmkt_contactpointconsent4s"
    own = "10000000-0000-0000-0000-00000000000a"
    row = {"msdynmkt_contactpointconsent4id": own, "msdynmkt_contactpointvalue": "ada@example.org"}
    dataverse.records.upsert(table, {f"id={own}": {**row, "msdynmkt_value": 534120002}})
    watched = Watched(table, ("msdynmkt_value",), {"email": ("msdynmkt_contactpointvalue",)}, is_keyed=False)
    (told,) = listed(sandbox_writer(dataverse), watched)
    assert (told.crm_id, told.key, told.fields) == (own, None, {"msdynmkt_value": 534120002})
    assert told.values == {"email": "ada@example.org"}


def test_a_row_whose_own_column_of_changes_is_empty_is_left_out_and_counted_and_stops_none(dataverse):
    crm = sandbox_writer(dataverse)
    crm.write(batch(3))
    dataverse.records.upsert("leads", {"key-1": {"new_edited": "2026-03-01T09:00:00Z"}})
    page = crm.list_changes(Watched(fields=("donotbulkemail",), changed_field="new_edited"), None)
    assert ([told.key for told in page.records], page.undated) == (["key-1"], 2)


@pytest.mark.parametrize(
    ("watched", "said"),
    [
        (Watched("new_things", ("new_stop",)), "own id of new_things"),
        (Watched("contacts", ("stop it",)), "'stop it' is no name"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(dataverse, watched, said):
    with pytest.raises(ConfigurationError, match=said):
        sandbox_writer(dataverse).list_changes(watched, None)
