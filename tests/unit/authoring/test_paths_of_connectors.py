"""What a connector declares of its records is read by it: nobody has to decide about it in the mapping too."""

from __future__ import annotations

from dataclasses import replace

from connectors.kit import sources
from pipeline.authoring.conformance_cases import make_case

RECORD = {
    "fields": {"email": "ada@example.org"},
    "own": {"id": 7, "kind": "form", "at": "2026-03-02T09:00:00Z", "colour": "blue"},
    "changed": "2026-03-02T09:00:00Z",
    "called": "2026-03-02T09:00:00Z",
}


def test_paths_that_the_connector_reads_are_not_undecided():
    shipped = sources()["web_form"]
    declared = replace(
        shipped,
        event_id=("own.kind", "own.id"),
        occurred_at="own.at",
        revised_at="changed",
        contact_at=("called",),
    )
    tried = make_case(declared).try_record(RECORD, "application/json")
    assert tried.undecided == ("own.colour",), "what nobody reads stays to be decided about"
    bare = replace(shipped, event_id=None, occurred_at=None, revised_at=None, contact_at=())
    assert make_case(bare).try_record(RECORD, "application/json").undecided == ("own", "changed", "called")
