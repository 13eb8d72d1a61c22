"""Mails that were saved as files: each comes in once, whatever its neighbor in the file is like."""

from __future__ import annotations

from connectors.kit.mail import records
from connectors.kit.mail.messages import read_message
from pipeline.intake.files.reading import event_of, open_rows
from tests.support.command_line import answer, problem, work
from tests.support.mails import enquiry
from tests.support.store_rows import states

SLUG = "directory_mailbox"


def test_saved_mails_are_imported_one_or_many(database, tmp_path):
    one, many = tmp_path / "one.eml", tmp_path / "many.mbox"
    one.write_bytes(enquiry(1))
    saved = [enquiry(number, extra=">From here\n").replace(b"\r\n", b"\n") for number in (2, 3)]
    many.write_bytes(b"\n".join(b"From x Mon Mar  2 09:00:00 2026\n" + mail for mail in saved))
    assert answer("import", str(one), "--source", SLUG)["accepted"] == 1
    assert answer("import", str(many), "--source", SLUG)["accepted"] == 2
    assert answer("import", str(many), "--source", SLUG)["repeated"] == 2
    work()
    assert states() == {"settled": 3}
    assert "e-mail message" in problem("import", str(one), "--source", "datablist", code=1)


def test_a_fault_in_reading_one_saved_mail_keeps_no_other(database, tmp_path, monkeypatch):
    def faulty(body):
        if b"ada2@" in body:
            raise ZeroDivisionError
        return read_message(body)

    monkeypatch.setattr(records, "read_message", faulty)
    path = tmp_path / "many.mbox"
    path.write_bytes(b"\n".join(b"From x Mon Mar  2 09:00:00 2026\n" + enquiry(number) for number in (1, 2, 3)))
    assert answer("import", str(path), "--source", SLUG)["accepted"] == 3


def test_a_saved_mail_that_was_read_is_stored_without_reading_it_again(database, tmp_path, monkeypatch):
    path = tmp_path / "one.eml"
    path.write_bytes(enquiry(1))
    file = open_rows(path, source=SLUG, brand="default")
    rows = list(file.rows)
    monkeypatch.delattr(records, "read_message")
    (event,) = [event_of(file, row) for row in rows]
    assert event.occurred_at is not None
