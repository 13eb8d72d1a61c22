"""Lists as other programs export them, given to a source that nobody has mapped: every filled address comes in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.authoring.proposals import Proposed, propose_source
from pipeline.errors import UsageError
from pipeline.inspection.trials import FileTrial, try_files
from pipeline.intake.files.reading import ReadAs
from tests.support.paths import ROOT

EXPORTS = ROOT / "tests" / "data" / "exports"


def proposed(path: Path, **said: Any) -> Proposed:
    found = propose_source([path], "zz_new", None, ReadAs(**said))
    assert found is not None
    return found


def tried(path: Path, **said: Any) -> FileTrial:
    found = proposed(path, **said)
    return try_files([path], found.instance, read_as=ReadAs(**said), mapping=found.draft.mapping)[0]


def leads(path: Path, **said: Any) -> list[dict[str, Any]]:
    trial = tried(path, **said)
    return [row.fields for row in trial.rows if row.state == "ready"]


def table(tmp_path: Path, *rows: list[str], name: str = "list.csv") -> Path:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    path = tmp_path / name
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def test_outlook_s_filled_phones_are_read_and_its_empty_ones_take_no_field():
    found = leads(EXPORTS / "outlook_contacts.csv")
    assert len(found) == 5
    assert all(lead["phone"] and lead["city"] == "Chicago" and lead["country"] == "US" for lead in found)
    assert found[1]["other_phones"] == ["+4532123457"]
    assert found[1]["other_emails"] == ["soren.home@kjaer.example"]


def test_three_phones_of_a_contact_are_one_and_two_others():
    assert leads(EXPORTS / "three_phones.csv")[0]["phone"] == "+494030901821"
    assert leads(EXPORTS / "three_phones.csv")[0]["other_phones"] == ["+4930901820", "+4915123456701"]


def test_three_columns_of_one_title_are_all_read(tmp_path):
    path = table(
        tmp_path,
        ["Name", "Phone", "Phone", "Phone"],
        ["Ada Sample", "+49 30 901820", "", "+49 30 901822"],
        ["Bob Sample", "", "", "+49 30 901823"],
    )
    assert [(lead["phone"], lead.get("other_phones")) for lead in leads(path)] == [
        ("+4930901820", ["+4930901822"]),
        ("+4930901823", None),
    ]


def test_a_column_that_is_filled_below_the_first_rows_counts_as_filled(tmp_path):
    rows = [[f"a{n}@example.org", "", "Vigo" if n > 400 else ""] for n in range(410)]
    found = proposed(table(tmp_path, ["Email", "Home City", "Business City"], *rows)).draft.proposal
    assert found.fields["city"] == "Business City"
    assert "empty" in found.columns[1].why


@pytest.mark.parametrize("name", ["google_contacts.csv", "google_contacts_phone_only.csv"])
def test_google_s_contacts_keep_their_phones_companies_and_cities(name):
    found = leads(EXPORTS / name)
    assert [lead["phone"] for lead in found[1:4]] == ["+4532123456", "+442079460321", "+390212345678"]
    assert [lead["company"] for lead in found[:2]] == ["Dorset Works", "Kjær ApS"]
    assert {lead["city"] for lead in found} == {"Chicago"}
    assert found[1]["other_phones"] == ["+4532123457"]


def test_meta_s_own_export_names_its_platform_and_its_ids_are_bare():
    first, second, third = leads(EXPORTS / "meta_lead_export.csv")
    assert [(lead["platform"], lead["is_organic"]) for lead in (first, second, third)] == [
        ("fb", "false"),
        ("ig", "false"),
        ("fb", "true"),
    ]
    assert first["submission_id"] == "1203344556677889"
    assert (first["ad_id"], first["ad_group_id"]) == ("120208812345670123", "120208812345660123")
    assert (first["campaign_id"], first["form_id"]) == ("120208812345650123", "998877665544332")
    assert first["phone"] == "+4915123456789"


def test_a_salesforce_report_has_its_companies_and_its_last_lines_are_no_leads():
    trial = tried(EXPORTS / "salesforce_report.csv")
    assert trial.counts == {"rows": 2, "ready": 2, "quarantined": 0, "suppressed": 0}
    assert trial.notes is not None
    assert trial.notes.skipped_footer_rows == 6
    assert [row.fields["company"] for row in trial.rows] == ["Farrow & Sons", "Brandt KG"]


def test_a_lead_at_the_end_is_no_footer_and_a_line_cut_off_is_a_bad_row(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("Contact ID,Name,Email\nC-1,Ada Sample,a@example.org\n\nC-2,,\n\nb@example.org\n\nC-3,Bob Sam")
    trial = tried(path)
    assert [row.line for row in trial.rows if row.reason == "ragged_row"] == [6, 8]
    assert trial.counts["rows"] == 4


def test_odoo_s_apostrophes_and_countries_are_read():
    found = leads(EXPORTS / "odoo_partners.csv")
    assert [lead["phone"] for lead in found] == ["+380993456780", "+380993456782"]
    assert {lead["country"] for lead in found} == {"UA"}


@pytest.mark.parametrize(
    "name",
    [*(f"phone_column_{kind}.csv" for kind in ("apostrophe", "excel_text", "label", "two"))],
)
def test_a_column_of_phones_is_held_against_what_the_normalizer_makes_of_it(name):
    assert all(lead["phone"] for lead in leads(EXPORTS / name, region="DE"))


@pytest.mark.parametrize("name", [*(f"email_column_{kind}.csv" for kind in ("at", "label", "two"))])
def test_a_column_of_e_mails_is_held_against_what_the_normalizer_makes_of_it(name):
    assert [lead["email"] for lead in leads(EXPORTS / name)] == [
        "nadia@farrow.example",
        "ilse@brandt.example",
        "otto@kern.example",
    ]


@pytest.mark.parametrize(
    "cells",
    [
        ["https://wa.me/4930901820", "https://wa.me/4930901821", "wa.me/4930901822"],
        ["+49 30 901820 (privat)", "+49 30 901821 (privat)", "+49 30 901822 (office)"],
        ["+49 30 901820 / +49 30 901830", "+49 30 901821", "+49 30 901822"],
        ["Telefon: +49 30 901820", "Mobil +49 170 1234567", "Fon +49 30 901822"],
    ],
)
def test_phones_in_other_clothes_are_phones(tmp_path, cells):
    path = table(
        tmp_path, ["Name", "Email", "Phone"], *([["Ada Bo", f"a{n}@example.org", c] for n, c in enumerate(cells)])
    )
    assert all(lead["phone"].startswith("+49") for lead in leads(path))


def test_names_gone_wrong_in_an_encoding_are_names_and_phones_need_no_title(tmp_path):
    rows = [
        ["JoÃ£o", "Souza", "+55 11 91234-5678"],
        ["LÃºcia", "Lima", "+55 21 91234-5678"],
        ["Ana", "Reis", "+351 912 345 678"],
    ]
    found = proposed(table(tmp_path, ["Nome", "Sobrenome", "Como falar com voce"], *rows)).draft.proposal
    assert found.fields == {"first_name": "Nome", "last_name": "Sobrenome", "phone": "Como falar com voce"}


@pytest.mark.parametrize("name", ["mac_roman.csv", "cp850.csv"])
def test_a_list_of_an_older_mac_or_of_dos_has_its_accents(name):
    assert [(lead["full_name"], lead["city"]) for lead in leads(EXPORTS / name)] == [
        ("Renée Muñoz", "Köln"),
        ("José Núñez", "Málaga"),
    ]


@pytest.mark.parametrize("name", ["pretty.jsonl", "wrapped.json"])
def test_json_is_read_however_it_is_laid_out(name):
    assert [lead["external_id"] for lead in leads(EXPORTS / name)] == ["C-1", "C-2", "C-3"]


@pytest.mark.parametrize(
    "text",
    [
        '[\n {"Email": "a@example.org"},\n {"Email": "b@example.org"}\n]',
        '[{"Email": "a@example.org"}, {"Email": "b@example.org"}]',
        '{"data": {"leads": [{"Email": "a@example.org"}, {"Email": "b@example.org"}]}, "page": 1}',
        '{"Email": "a@example.org"}\n{"Email": "b@example.org"}\n',
        '{\n"Email": "a@example.org"\n}\n\n{\n"Email": "b@example.org"\n}\n',
    ],
)
def test_lists_of_objects_give_an_object_a_lead(tmp_path, text):
    path = tmp_path / "list.json"
    path.write_text(text)
    assert [lead["email"] for lead in leads(path)] == ["a@example.org", "b@example.org"]


def test_one_lead_that_holds_a_list_is_one_lead(tmp_path):
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"Email": "a@example.org", "items": [{"Name": "Pen"}, {"Name": "Ink"}]}))
    assert len(leads(path)) == 1


def test_a_phone_s_contacts_come_in_as_vcards(tmp_path):
    assert [lead["email"] for lead in leads(EXPORTS / "contacts.vcf")] == ["jane@dorset.example", "soren@kjaer.example"]
    path = tmp_path / "old.vcf"
    path.write_bytes(
        b"BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:K=C3=B6h=\r\nler;Ren=C3=A9e;;;\r\n"
        b"TEL;CELL:+49 170 1234567\r\nTEL;WORK;FAX:+49 30 901829\r\nEMAIL;PREF:k@example.org\r\nEND:VCARD\r\n"
        b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Bob Sam\r\n ple\r\nitem1.TEL;VALUE=uri;PREF=1:tel:+1-312-555-0143\r\n"
        b"ADR;TYPE=home:;;1 Main St;Chicago;IL;60601;USA\r\nPHOTO;ENCODING=b:AAAA\r\nEND:VCARD\r\n"
    )
    first, second = leads(path)
    assert (first["full_name"], first["phone"], first["email"]) == ("Renée Köhler", "+491701234567", "k@example.org")
    assert "other_phones" not in first
    assert (second["full_name"], second["phone"], second["city"]) == ("Bob Sample", "+13125550143", "Chicago")


def test_the_sheet_that_holds_people_is_read_and_another_may_be_named(tmp_path):
    path = EXPORTS / "cover_sheet_first.xlsx"
    trial = tried(path)
    assert trial.notes is not None
    assert (trial.notes.sheet, trial.notes.other_sheets, trial.counts["ready"]) == ("Leads", ["Instructions"], 4)
    assert tried(path, sheet="2").counts["ready"] == tried(path, sheet="leads").counts["ready"] == 4
    with pytest.raises(UsageError, match=r"sheet 'Instructions'.*'Leads'.*--sheet"):
        proposed(path, sheet="Instructions")


def test_phones_without_a_country_are_counted_and_the_likely_country_is_named(tmp_path):
    path = table(
        tmp_path,
        ["Nombre completo", "Correo", "Teléfono"],
        ["Ana Ruiz", "ana@example.org", "612 345 678"],
        ["Eva Sanz", "eva@example.org", "915 550 143"],
        ["Tom Lee", "tom@example.org", "+44 20 7946 0321"],
    )
    notes = proposed(path).notes
    assert (notes.phones_seen, notes.phones_without_country, notes.likely_region) == (3, 2, "ES")
    said = proposed(path, region="ES")
    assert said.notes.phones_without_country == 0
    assert "\nregion: ES" in "".join(said.draft.files.values())
    assert [lead["phone"] for lead in leads(path, region="ES")][:2] == ["+34612345678", "+34915550143"]


def test_an_export_of_our_own_maps_back(tmp_path):
    header = ["event_id", "external_id", "source", "brand", "state", "person_id", "received_at", "occurred_at", "email"]
    header += ["address_state", "platform", "is_organic", "utm_source_platform", "reason"]
    row = ["e1", "x-1", "web_form", "default", "settled", "p1", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"]
    row += ["a@example.org", "IL", "fb", "false", "Google Ads", ""]
    found = proposed(table(tmp_path, header, row)).draft.proposal.fields
    assert found["state"] == "address_state"
    assert {"occurred_at", "platform", "is_organic", "utm_source_platform", "email"} <= found.keys()
    assert not {"event_id", "source", "state", "reason", "person_id"} & set(found.values())
    people = ["person_id", "version", "email", "website", "original_source", "company_domain"]
    fields = proposed(
        table(tmp_path, people, ["p1", "3", "a@example.org", "", "facebook", "example.org"])
    ).draft.proposal
    assert fields.fields["website"] == "company_domain"


def test_a_buyer_s_address_is_not_the_visitor_s(tmp_path):
    path = table(
        tmp_path,
        ["Order Email", "Ticket First Name", "Ticket Last Name", "Ticket Email", "Ticket Company Name"],
        *[[f"boss{n}@example.org", "Ada", "Sample", f"a{n}@example.org", "Works"] for n in range(4)],
    )
    assert leads(path)[0]["email"] == "a0@example.org"
    assert "other_emails" not in leads(path)[0]


@pytest.mark.parametrize(
    ("title", "field"),
    [
        ("E-mail 2 Address", "email"),
        ("Work City", "city"),
        ("Home ZipCode", "postal_code"),
        ("Business Country/Region", "country"),
        ("Teléfono oficina", "phone"),
        ("E-mail trabalho 1", "email"),
        ("Telefon (dienstlich)", "phone"),
        ("Téléphone bureau 2", "phone"),
        ("Cellulare", "phone"),
        ("Cognome", "last_name"),
        ("Telefono ufficio", "phone"),
        ("Ragione sociale", "company"),
        ("Additional email addresses", "other_emails"),
        ("occurred_at", "occurred_at"),
        ("Phone 1 - Label", None),
        ("Ticket ID", "submission_id"),
        ("Business Fax", None),
    ],
)
def test_numbers_and_words_beside_a_title_change_nothing(tmp_path, title, field):
    path = table(tmp_path, ["Lead ID", title], ["C-1", ""], ["C-2", ""])
    assert proposed(path).draft.proposal.columns[1].field == field


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "mail.eml",
            b"From: a@example.org\nTo: b@example.org\nSubject: List\nDate: today\nMIME-Version: 1.0\n\nHello",
            "attached",
        ),
        ("list.pdf", b"%PDF-1.7\n1 0 obj", "PDF"),
        ("list.gsheet", b'{"doc_id": "x", "email": "a@example.org"}', "shortcut"),
        ("list.ics", b"BEGIN:VCALENDAR\nEND:VCALENDAR\n", "calendar"),
        ("list.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "WordDocument".encode("utf-16-le"), "Word"),
    ],
)
def test_what_is_no_table_is_told_in_a_sentence_with_the_way_out(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Exception, match=said) as refused:
        proposed(path)
    assert "maps no field" not in str(refused.value)
    assert "yaml" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "member", "said"),
    [
        ("l.numbers", "Index/Document.iwa", "Numbers"),
        ("l.docx", "word/document.xml", "Word"),
        ("l.zip", "word/x", "Word"),
    ],
)
def test_documents_in_a_zip_are_known_by_what_is_in_them(tmp_path, name, member, said):
    import zipfile

    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as archive:
        for entry in (member, "Metadata/a", "preview.jpg"):
            archive.writestr(entry, "x")
    with pytest.raises(Exception, match=said):
        proposed(path)
