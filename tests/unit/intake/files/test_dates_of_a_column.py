"""The order of day and month that was decided over a whole file reaches every date of its rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from pipeline.errors import ConfigurationError
from pipeline.intake.files.column_dates import open_date_columns
from pipeline.records import Envelope, Lead, RawEvent
from pipeline.stages.mapping.source_mapping import SourceMapping, load_source_mapping, map_event, read_source_mapping
from pipeline.stages.normalization import normalize_lead

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)
SECOND_OF_MARCH = datetime(2026, 3, 2, tzinfo=UTC)
THIRD_OF_FEBRUARY = datetime(2026, 2, 3, tzinfo=UTC)


def lead_of(record: dict, dates: dict[str, str] | None, *, mapping: SourceMapping, source: str = "acme") -> Lead:
    origin = {"file": "x.csv", "line": 2} | ({"dates": dates} if dates else {})
    envelope = Envelope("application/json", orjson.dumps({"email": "ada@example.org", **record}), {}, origin)
    mapped = map_event(RawEvent(UUID(int=1), "default", source, "bulk", NOW, None, envelope), mapping=mapping)
    lead = normalize_lead(mapped, default_region=None)
    assert isinstance(lead, Lead)
    return lead


@pytest.fixture
def mapping(tmp_path: Path) -> SourceMapping:
    path = tmp_path / "acme.yaml"
    path.write_text(
        """
source: acme
version: 1
lead:
  email: {from: email}
  occurred_at: {from: [Sent, Created], as: date}
consent:
  marketing: {from: opt_in, at: Agreed on}
""",
        encoding="utf-8",
    )
    return read_source_mapping(path)


@pytest.mark.parametrize(("order", "moment"), [("dmy", SECOND_OF_MARCH), ("mdy", THIRD_OF_FEBRUARY)])
def test_the_time_of_a_lead_is_read_in_its_columns_order(mapping, order, moment):
    lead = lead_of({"Created": "02/03/2026"}, {"Created": order}, mapping=mapping)
    assert lead.occurred_at == moment
    assert lead.raw["occurred_at"] == "02/03/2026"
    assert "occurred_at" not in lead.flags


def test_each_column_has_its_own_order(mapping):
    record = {"Created": "02/03/2026", "opt_in": "yes", "Agreed on": "02/03/2026"}
    lead = lead_of(record, {"Created": "dmy", "Agreed on": "mdy"}, mapping=mapping)
    assert lead.occurred_at == SECOND_OF_MARCH
    assert lead.consents[0].at == THIRD_OF_FEBRUARY


def test_the_order_is_that_of_the_column_the_value_came_from(mapping):
    lead = lead_of({"Sent": " ", "Created": "02/03/2026"}, {"Sent": "mdy", "Created": "dmy"}, mapping=mapping)
    assert lead.occurred_at == SECOND_OF_MARCH


def test_without_an_order_an_ambiguous_date_gives_way_to_the_time_of_arrival(mapping):
    lead = lead_of({"Created": "02/03/2026", "opt_in": "yes", "Agreed on": "02/03/2026"}, None, mapping=mapping)
    assert lead.occurred_at == NOW
    assert lead.flags["occurred_at"] == ["ambiguous_date"]
    assert lead.raw["occurred_at"] == "02/03/2026"
    assert lead.consents[0].at is None
    assert lead.flags["consents"] == ["ambiguous_date"]


def test_a_cell_against_its_columns_order_is_flagged(mapping):
    lead = lead_of({"Created": "03/25/2026"}, {"Created": "dmy"}, mapping=mapping)
    assert lead.occurred_at == NOW
    assert lead.flags["occurred_at"] == ["contradicts_order"]


def test_sources_with_canonical_names_know_the_order_too():
    api = load_source_mapping("api")
    known = lead_of({"occurred_at": "02/03/2026"}, {"occurred_at": "dmy"}, mapping=api, source="api")
    assert known.occurred_at == SECOND_OF_MARCH
    assert known.raw["occurred_at"] == "02/03/2026"
    unknown = lead_of({"occurred_at": "02/03/2026"}, None, mapping=api, source="api")
    assert unknown.occurred_at == NOW
    assert unknown.flags["occurred_at"] == ["ambiguous_date"]


def test_a_spreadsheets_number_is_a_time_and_flagged(mapping):
    lead = lead_of({"Created": 46083.5}, None, mapping=mapping)
    assert lead.occurred_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert lead.flags["occurred_at"] == ["excel_serial"]


def test_an_earlier_touch_is_dated_in_its_columns_order(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(
        "source: acme\nversion: 1\nlead:\n  email: email\n"
        "earlier_touches:\n  - {at: First visit, utm_source: First source}\n",
        encoding="utf-8",
    )
    record = {"First visit": "02/03/2026", "First source": "google"}
    known = lead_of(record, {"First visit": "mdy"}, mapping=read_source_mapping(path))
    assert [touch.at for touch in known.earlier_touches] == [THIRD_OF_FEBRUARY]
    unknown = lead_of(record, None, mapping=read_source_mapping(path))
    assert unknown.earlier_touches == []
    assert unknown.flags["earlier_touches"] == ["undated"]


def test_a_declared_order_beats_the_files(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(
        "source: acme\nversion: 1\nlead:\n  email: email\n  occurred_at: {from: Created, as: date, order: mdy}\n",
        encoding="utf-8",
    )
    mapping = read_source_mapping(path)
    lead = lead_of({"Created": "02/03/2026"}, {"Created": "dmy"}, mapping=mapping)
    assert lead.occurred_at == THIRD_OF_FEBRUARY


CONSENT_TIMES = [
    ("lead: {email: email, occurred_at: {from: Sent, as: date, order: dmy}}", "Sent", "02/03/2026"),
    ("lead: {email: email, occurred_at: {from: Sent, as: date, formats: '%d/%m/%Y'}}", "Sent", "02/03/2026"),
    ("lead: {email: email}\nearlier_touches: [{at: {from: Sent, order: dmy}, page_url: p}]", "Sent", "02/03/2026"),
    ("lead: {email: email}", "{from: Sent, order: dmy}", "02/03/2026"),
    ("lead: {email: email}", "{from: [Gone, Sent], formats: '%d.%m.%y'}", "02.03.26"),
    ("lead: {email: email}", "{from: Sent, zone: Europe/Madrid}", "2026-03-02T01:00:00"),
    ("lead: {email: email, occurred_at: {from: Sent, as: date, order: mdy}}", "{from: Sent, order: dmy}", "02/03/2026"),
]


@pytest.mark.parametrize(("rules", "at", "text"), CONSENT_TIMES)
def test_the_time_of_a_consent_is_read_as_it_says_or_as_another_rule_reads_that_column(tmp_path, rules, at, text):
    path = tmp_path / "acme.yaml"
    path.write_text(f"source: acme\nversion: 1\n{rules}\nconsent: {{news: {{from: opt_in, at: {at}}}}}\n")
    mapping = read_source_mapping(path)
    lead = lead_of({"opt_in": "yes", "Sent": text}, None, mapping=mapping)
    assert lead.consents[0].at == SECOND_OF_MARCH
    assert "consents" not in lead.flags
    if "zone" not in at:
        assert open_date_columns(mapping, ["opt_in", "Sent"]) == {}, "it is known: no need to ask"


def test_a_wrong_option_of_a_consents_time_is_named(tmp_path):
    path = tmp_path / "acme.yaml"
    path.write_text(
        "source: acme\nversion: 1\nlead: {email: email}\nconsent: {news: {from: x, at: {from: y, order: day}}}\n"
    )
    with pytest.raises(ConfigurationError, match=r"consent\.news\.at\.order"):
        read_source_mapping(path)
