"""What attribution keeps is said once: tables, records and exports have what is said there."""

from __future__ import annotations

from pipeline.canonical import ATTRIBUTION_NAMES, UTM_FIELDS
from pipeline.records import Touch
from pipeline.store.people.tables import people, touches


def test_the_table_of_people_has_a_column_for_each_attribution_name():
    assert set(ATTRIBUTION_NAMES) <= {column.name for column in people.columns}


def test_a_touch_and_its_table_hold_the_same_facts_and_every_utm_field():
    columns = {column.name for column in touches.columns}
    assert set(Touch.__struct_fields__) == columns - {"rerouted_at"}
    assert set(UTM_FIELDS) <= columns
