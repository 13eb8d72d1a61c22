"""Which id of a sample is taken for that of the record: a wrong one would make one person of many."""

from __future__ import annotations

import json

import pytest

from pipeline.authoring.event_ids import choose_event_id
from pipeline.authoring.sample_shapes import shape_of

PERSON = {"email": "ada@sample.example", "full_name": "Ada Sample"}


@pytest.mark.parametrize(
    ("record", "event_id"),
    [
        ({"id": "#1", **PERSON}, "id"),
        ({"id": "#1", "contact": PERSON}, "id"),
        ({"lead": {"id": "#1", **PERSON}}, "lead.id"),
        ({"event_id": "#e", "form_response": {"token": "#t", "contact": PERSON}}, "event_id"),
        ({"id": "#1", "answers": [{"key": "email", "value": "ada@sample.example"}, {"key": "x", "value": "y"}]}, "id"),
        ({"form": {"id": "#f"}, "contact": PERSON}, None),
        ({"page": {"id": "#p", "name": "x"}, "leadId": "#1", **PERSON}, "leadId"),
        ({"account": {"id": "#a", "email": "us@company.example"}, "person": PERSON}, None),
        ({"id": "#ACCOUNT", "changes": [{"value": {"contacts": [{"profile": PERSON}]}}]}, None),
        ({"entry": [{"id": "#ACCOUNT", "changes": [{"value": {"email": "ada@sample.example"}}]}]}, None),
        ({"webinar": {"id": "#w", "attendee": PERSON}}, None),
        ({"uuid": "#u", "lead": {"contact": {"emails": [{"value": "ada@sample.example", "kind": "work"}]}}}, "uuid"),
        ({"uuid": "#u", "people": [{"contact": {"email": "ada@sample.example"}}]}, None),
        ({"lead_nr": "#1", **PERSON}, "lead_nr"),
        ({"delivery_id": "#d", "submission": {"id": "#s", **PERSON}}, "submission.id"),
        ({"delivery_id": "#d", "submission": {"id": "#s"}, "person": PERSON}, "submission.id"),
        ({"delivery": {"id": "#d"}, "lead_id": "#1", **PERSON}, "lead_id"),
        ({"id": {"nested": 1}, **PERSON}, None),
        ({"id": True, **PERSON}, None),
    ],
)
def test_an_id_counts_only_where_it_can_be_the_records_own(record, event_id):
    first, second = [json.loads(json.dumps(record).replace('"#', f'"{number}')) for number in (1, 2)]

    assert choose_event_id(shape_of([first, second], "sample")).path == event_id


def test_an_id_that_no_record_differs_in_is_none():
    assert choose_event_id(shape_of([{"id": "1", **PERSON}, {"id": "1", **PERSON}], "sample")).path is None
