"""Exports through the real command line: one row per thing, exact values, safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import stat
import subprocess

import pytest

from pipeline.canonical import DERIVED_FIELDS
from pipeline.cli.terminal.rows import RowFormat, csv_cell, write_rows
from pipeline.store.engine import transaction
from tests.support.command_line import AFLUENTE, ROOT, capture, deliver, lines, problem, run, work

pytestmark = pytest.mark.usefixtures("database")

LEAD_COLUMNS = [
    *("event_id", "external_id", "source", "brand", "state", "person_id"),
    *("received_at", "occurred_at", "lane", "channel"),
]
ADA = {
    "external_id": "a-1",
    "email": "Ada.Sample@Example.COM",
    "phone": "020 7946 0018",
    "region": "GB",
    "full_name": "ada sample",
    "state": "Greater London",
    "utm_source": "google",
    "utm_medium": "cpc",
    "company": '=HYPERLINK("http://evil.example")',
    "shoe_size": 38,
}


@pytest.mark.long
def test_leads_export_gives_one_row_per_accepted_event_with_its_normalized_fields():
    ada, nobody = capture(ADA, {"message": "call me"})
    work()

    rows = {row["event_id"]: row for row in lines("leads", "export")}

    assert set(rows) == {str(ada), str(nobody)}
    row = rows[str(ada)]
    assert list(row)[: len(LEAD_COLUMNS)] == LEAD_COLUMNS
    assert (row["state"], row["source"], row["brand"], row["lane"]) == ("settled", "api", "default", "hot")
    assert (row["email"], row["phone"]) == ("ada.sample@example.com", "+442079460018")
    assert (row["full_name"], row["channel"]) == ("Ada Sample", "Paid Search")
    assert row["person_id"]
    assert row["custom"] == {"shoe_size": 38}
    assert rows[str(nobody)]["state"] == "quarantined"
    assert rows[str(nobody)]["message"] == "call me"


def test_suppressed_and_quarantined_leads_have_their_fields_normalized_and_the_reason():
    form = {"fields": {"email": "Ada@Example.ORG", "phone": "nothing"}}
    capture(
        {**form, "submission_id": "1", "hp": "filled"},
        {**form, "submission_id": "2", "elapsed_ms": 12},
        {**form, "submission_id": "3", "is_test": True},
        {**form, "submission_id": "4"},
        {"submission_id": "5", "fields": {"first_name": "ADA", "phone": "not a number"}},
        source="web_form",
    )
    work()
    rows = lines("leads", "export")
    assert [(row["state"], row["reason"]) for row in rows] == [
        ("suppressed", "spam"),
        ("suppressed", "spam"),
        ("suppressed", "test"),
        ("settled", None),
        ("quarantined", "nothing_to_identify"),
    ]
    assert {row["email"] for row in rows[:4]} == {"ada@example.org"}
    assert rows[0]["flags"]["phone"]
    assert (rows[4]["phone"], rows[4]["first_name"]) == (None, "Ada")
    assert rows[4]["flags"]["phone"]


def test_consents_of_an_export_are_named():
    capture({"email": "ada@example.com", "consents": [{"purpose": "marketing", "channel": "email", "granted": True}]})
    work()
    (row,) = lines("leads", "export")
    (consent,) = row["consents"]
    assert (consent["purpose"], consent["channel"], consent["granted"]) == ("marketing", "email", True)


@pytest.mark.long
def test_the_state_of_an_address_does_not_hide_the_state_of_a_lead():
    capture(ADA)
    (row,) = lines("leads", "export")
    assert (row["state"], row["address_state"]) == ("pending", "Greater London")


def test_leads_export_can_be_limited_to_a_source():
    capture(ADA)
    capture({"fields": {"email": "bo@example.com"}}, source="web_form")
    assert [row["source"] for row in lines("leads", "export", "--source", "web_form")] == ["web_form"]


def test_csv_cells_are_no_formulas_and_phones_stay_exact():
    capture(ADA)
    work()
    done = run("leads", "export", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["phone"] == "+442079460018"
    assert row["company"] == '\'=HYPERLINK("http://evil.example")'
    (exact,) = lines("leads", "export")
    assert exact["company"] == ADA["company"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1+cmd|'/c calc'!A0", "'+1+cmd|'/c calc'!A0"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("＝1+1", "'＝1+1"),
        ("+442079460018", "+442079460018"),
        ("-3.5", "-3.5"),
        (["+442079460018", "+12025550143"], "+442079460018; +12025550143"),
        (["+442079460018", "+1+1"], "'+442079460018; +1+1"),
        (-3, -3),
        (True, "true"),
        (None, ""),
        ([], ""),
        ({}, ""),
        ("Ada", "Ada"),
    ],
)
def test_a_csv_cell_is_what_a_spreadsheet_may_see(value, cell):
    assert csv_cell(value) == cell


def test_a_switch_gives_phones_an_apostrophe_too_or_leaves_every_cell_as_it_is():
    capture(ADA)
    work()

    def exported(*options: str) -> dict[str, str]:
        (row,) = csv.DictReader(io.StringIO(run("leads", "export", "--format", "csv", *options).stdout))
        return row

    strict, raw = exported("--cells", "strict"), exported("--cells", "raw")
    assert strict["phone"] == "'+442079460018"
    assert strict["company"] == "'" + ADA["company"]
    assert (raw["phone"], raw["company"]) == ("+442079460018", ADA["company"])
    assert "--cells" in problem("leads", "export", "--excel", "--cells", "strict", code=2)


def test_the_title_of_a_column_is_no_formula_either(tmp_path):
    title = '=HYPERLINK("http://evil.example")'
    assert write_rows([{title: "1"}], [title], RowFormat.csv, tmp_path / "rows.csv") == 1
    assert (tmp_path / "rows.csv").read_text().startswith("\"'=")


def test_an_id_that_is_an_address_or_a_number_is_sealed_and_still_exported():
    given = ("ada.sample@example.com", "+34 612 345 678", "a-3")
    capture(*({"external_id": one, "email": f"n{number}@example.com"} for number, one in enumerate(given)))
    work()
    with transaction() as connection:
        stored = connection.exec_driver_sql("SELECT external_id FROM events ORDER BY event_id").scalars().all()
    assert stored == [None, None, "a-3"]
    assert [row["external_id"] for row in lines("leads", "export")] == list(given)


def test_people_export_gives_one_row_per_person_with_first_and_last_source():
    capture(
        {**ADA, "occurred_at": "2026-01-02T10:00:00Z"},
        {"external_id": "a-2", "email": "ada.sample@example.com", "job_title": "CTO", "utm_source": "newsletter",
         "utm_medium": "email", "occurred_at": "2026-02-02T10:00:00Z"},
    )  # fmt: skip
    work()

    (row,) = lines("people", "export")

    assert (row["original_source"], row["original_channel"]) == ("google", "Paid Search")
    assert (row["latest_source"], row["latest_channel"]) == ("newsletter", "Email")
    assert (row["touches"], row["job_title"], row["email"]) == (2, "CTO", "ada.sample@example.com")
    assert {"person_id", "version", "original_campaign", "latest_campaign", "owner"} <= set(row)
    assert row["state"] == "Greater London"


def test_consents_are_those_that_were_recorded_not_what_the_mapping_would_read_now():
    said = {"purpose": "marketing", "channel": "email", "granted": True, "at": "2025-03-04T05:06:07Z"}
    settled, _ = capture({"email": "ada@example.com", "consents": [said]}, {"message": "nobody", "consents": [said]})
    work()
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE consents SET granted = false WHERE event_id = %s", (settled,))
    rows = {row["email"]: row["consents"] for row in lines("leads", "export")}
    assert [(one["granted"], one["at"][:10]) for one in rows["ada@example.com"]] == [(False, "2025-03-04")]
    assert rows[None] == [], "a lead that never settled has recorded nothing"


def test_a_leads_export_ends_with_what_its_own_touch_was_attributed_to():
    capture(
        {"email": "ada@example.com", "page_url": "https://x.example/?utm_source=Google&utm_medium=cpc&utm_campaign=s"}
    )
    capture({"email": "bo@example.com", "referrer": "https://www.bing.com/"})
    work()
    rows = lines("leads", "export")
    assert list(rows[0])[-5:] == ["touch_source", "touch_medium", "touch_campaign", "reason", "rule"]
    assert {row["email"]: (row["touch_source"], row["touch_medium"], row["touch_campaign"]) for row in rows} == {
        "ada@example.com": ("google", "cpc", "s"),
        "bo@example.com": ("bing", "organic", None),
    }


def test_a_people_export_ends_with_when_the_first_and_last_touch_were():
    capture(
        {**ADA, "occurred_at": "2026-01-02T10:00:00Z"},
        {**ADA, "external_id": "2", "occurred_at": "2026-02-02T10:00:00Z"},
    )
    work()
    (row,) = lines("people", "export")
    assert list(row)[-2:] == ["original_at", "latest_at"]
    assert (row["original_at"][:10], row["latest_at"][:10]) == ("2026-01-02", "2026-02-02")


def test_derived_values_stand_together_near_the_end_of_both_exports():
    capture({**ADA, "website": "https://www.sample.example", "job_title": "Head of Sales", "country": "GB"})
    work()
    for what, added in (("leads", 5), ("people", 2)):
        done = run(what, "export", "--format", "csv")
        reader = csv.DictReader(io.StringIO(done.stdout))
        (row,) = reader
        assert tuple(reader.fieldnames or ())[-len(DERIVED_FIELDS) - added : -added] == DERIVED_FIELDS
        assert [row[name] for name in DERIVED_FIELDS] == ["sample.example", "head", "sales", "", "fixed", ""]


def test_deliveries_export_says_which_version_each_crm_has():
    capture(ADA)
    work()
    (due,) = lines("deliveries", "export")
    assert (due["destination"], due["state"], due["sent_version"]) == ("sandbox", "due", 0)
    deliver()
    (sent,) = lines("deliveries", "export")
    assert list(sent) == [
        *("destination", "person_id", "state", "wanted_version", "sent_version", "external_id"),
        *("attempts", "last_error", "merged_into", "waits"),
    ]
    assert (sent["state"], sent["external_id"]) == ("sent", "crm-0")
    assert sent["sent_version"] == sent["wanted_version"]


def test_an_export_to_a_file_is_readable_by_its_owner_alone(tmp_path):
    capture(ADA)
    out = tmp_path / "leads.csv"
    done = run("leads", "export", "--out", str(out))
    assert (done.returncode, done.stdout) == (0, "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert len(list(csv.DictReader(out.open(encoding="utf-8", newline="")))) == 1
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.long
def test_an_export_that_nobody_reads_to_the_end_stops_without_a_traceback():
    capture(*({"external_id": f"n-{number}", "email": f"n{number}@example.com"} for number in range(700)))
    done = subprocess.run(
        f"{AFLUENTE} leads export | head -1", shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("event_id,")
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_an_unknown_source_or_folder_is_wrong_use(tmp_path):
    assert "there is no source 'nope'; known: activecampaign, api" in problem(
        "leads", "export", "--source", "nope", code=2
    )
    assert "cannot write" in problem("people", "export", "--out", str(tmp_path / "none" / "x.csv"), code=2)
