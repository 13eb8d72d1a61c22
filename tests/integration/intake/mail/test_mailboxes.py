"""A mailbox on a real IMAP server: each mail comes in once, as it came, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from connectors.kit import sources
from connectors.kit.mail.templates import forget_templates
from pipeline.health.doctor import run_checks
from pipeline.inspection.polling.polled import read_states
from pipeline.intake import polls
from pipeline.intake.instances import SourceBook
from pipeline.intake.mail import collecting
from pipeline.intake.mail.imap import Imap
from pipeline.intake.polls import due_polls, run_poll
from pipeline.store.engine import transaction
from tests.support.command_line import answer, lines, problem, run, work
from tests.support.imap_server import PASSWORD, USER, ImapServer, cut_after, running_imap
from tests.support.intake_server import count_events, quarantined, stored_events
from tests.support.mails import enquiry, plain
from tests.support.services import forget_caches
from tests.support.store_rows import read_cursor, states

SLUG = "directory_mailbox"


@pytest.fixture
def server() -> Iterator[ImapServer]:
    with running_imap() as running:
        yield running


@pytest.fixture
def config(database, tmp_path, monkeypatch):
    """Writes afluente.yaml, as a restart would find it; the company's folder is beside it."""
    path = tmp_path / "afluente.yaml"
    monkeypatch.setenv("AFLUENTE_CONFIG", str(path))
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    monkeypatch.setenv("DIRECTORY_MAILBOX_PASSWORD", PASSWORD)
    forget_templates()

    def write(url: str, options: dict[str, object] | None = None, **more: object) -> None:
        crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
        source = {"url": url, "options": {"user": USER, **(options or {})}, **more}
        path.write_text(json.dumps({"sources": {SLUG: source}, "destinations": {"crm": crm}}))
        forget_caches()

    yield write
    forget_templates()


@pytest.fixture
def mailbox(server, config) -> ImapServer:
    config(server.url)
    return server


def collect(**how):
    return run_poll(SLUG, "default", **{"at_once": True, **how})


def cursor():
    with transaction() as connection:
        return read_cursor(connection, SLUG)


def release() -> None:
    """As if the hold of one that was killed had run out."""
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE cursors SET held_until = NULL, next_run_at = NULL")


def test_each_mail_comes_in_once_byte_for_byte_and_stays_unread(mailbox):
    mailbox.put(enquiry(1), enquiry(2))
    report = collect()
    assert (report.accepted, report.error, report.end) == (2, None, "every mail was read")
    assert (collect().pages, count_events()) == (0, 2)
    first = stored_events(SLUG)[0].envelope
    assert (first.body, first.content_type) == (enquiry(1), "message/rfc822")
    assert mailbox.unseen() == 2
    mailbox.put(enquiry(3))
    assert (collect().accepted, collect().pages) == (1, 0)
    work()
    assert states() == {"settled": 3}
    people = {row["email"]: row for row in lines("people", "export", "--format", "jsonl")}
    assert people["ada1@example.org"]["original_source"] == "stage guide"


@pytest.mark.long
def test_a_mailbox_that_was_made_anew_is_read_from_its_beginning_and_repeats_nothing(server, config):
    server.make("Leads")
    config(server.url.replace("INBOX", "Leads"))
    server.put(enquiry(1), enquiry(2), enquiry(3), folder="Leads")
    assert collect().accepted == 3
    server.make_anew("Leads")
    server.put(enquiry(3), enquiry(4), folder="Leads")
    report = collect()
    assert (report.accepted, report.repeated) == (1, 1)
    assert "UIDVALIDITY" in cursor().note
    assert (collect().pages, count_events()) == (0, 4)


def test_another_address_is_read_from_its_beginning_and_repeats_nothing(mailbox, config):
    mailbox.put(enquiry(1))
    assert collect().accepted == 1
    first = cursor().read_from
    mailbox.make("Leads")
    config(mailbox.url.replace("INBOX", "Leads"))
    mailbox.put(enquiry(1), enquiry(2), folder="Leads")
    report = collect()
    assert (report.accepted, report.repeated) == (1, 1)
    assert report.notes[0] == "the address was changed: the mailbox was read from its beginning"
    assert first is not None
    assert cursor().read_from not in (None, first)
    assert collect().notes == []


@pytest.mark.long
def test_a_line_that_is_cut_in_the_middle_of_a_mail_loses_and_doubles_nothing(mailbox, config):
    mailbox.put(*(enquiry(number, extra="x" * 3_000 + "\n") for number in range(1, 6)))
    with cut_after(mailbox, 9_000) as port:
        config(f"imap://127.0.0.1:{port}/INBOX")
        reports = [collect() for _ in range(6)]
    assert all("hung up" in report.error or "cannot be reached" in report.error for report in reports[:2])
    assert not any(report.is_terminal for report in reports)
    config(mailbox.url)
    collect()
    assert count_events() == 5


_KILLED = """
import os
from pipeline.intake.mail import imap
from pipeline.intake.polls import run_poll
imap.Imap.move = lambda *_: os.kill(os.getpid(), 9)
run_poll("directory_mailbox", "default", at_once=True)
"""


@pytest.mark.long
def test_a_kill_between_storing_and_moving_moves_the_mails_the_next_time(mailbox, config):
    config(mailbox.url, {"move_to": "Done"})
    mailbox.make("Done")
    mailbox.put(enquiry(1), enquiry(2))
    done = subprocess.run([sys.executable, "-c", _KILLED], check=False, timeout=60, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    assert (count_events(), mailbox.count("Done")) == (2, 0)
    release()
    report = collect()
    assert (report.accepted, report.repeated, report.error) == (0, 0, None)
    assert mailbox.count("Done") == 2
    mailbox.put(enquiry(3))
    collect()
    assert mailbox.count("Done") == 3


@pytest.mark.long
def test_mails_that_cannot_be_moved_are_in_all_the_same_and_a_human_is_told(mailbox, config):
    config(mailbox.url, {"move_to": "Nowhere"})
    mailbox.put(enquiry(1))
    report = collect()
    assert (report.accepted, report.error) == (1, None)
    (state,) = read_states(SLUG)
    assert "is there a folder options.move_to" in state.problem
    mailbox.make("Nowhere")
    collect()
    assert mailbox.count("Nowhere") == 1
    assert read_states(SLUG)[0].problem is None


def test_a_folder_that_takes_no_mails_is_asked_once_a_run(mailbox, config, monkeypatch):
    asked, move = [], Imap.move
    monkeypatch.setattr(Imap, "move", lambda *to: asked.append(to) or move(*to))
    monkeypatch.setattr(collecting, "_MOVED_AT_ONCE", 2)
    config(mailbox.url, {"move_to": "Nowhere"})
    mailbox.put(*map(enquiry, range(1, 6)))
    assert collect().accepted == 5
    assert len(asked) == 1
    assert len(collect().notes) == 1
    assert len(asked) == 2
    mailbox.make("Nowhere")
    collect()
    assert mailbox.count("Nowhere") == 5


@pytest.mark.long
def test_a_wrong_password_and_a_missing_folder_wait_for_a_human(mailbox, config, monkeypatch):
    config(mailbox.url.replace("INBOX", "Missing"))
    report = collect()
    assert report.is_terminal
    assert "no folder of the name" in report.error
    monkeypatch.setenv("DIRECTORY_MAILBOX_PASSWORD", "another")
    config(mailbox.url)
    report = collect()
    assert report.is_terminal
    assert "does not let us in" in report.error
    assert "another" not in report.error
    monkeypatch.delenv("DIRECTORY_MAILBOX_PASSWORD")
    config(mailbox.url)
    assert "set DIRECTORY_MAILBOX_PASSWORD" in collect().error
    (check,) = [check for check in run_checks() if check.name == f"source {SLUG}"]
    assert not check.ok


def test_a_server_that_is_away_is_tried_again(config):
    config("imap://127.0.0.1:9/INBOX")
    report = collect()
    assert "cannot be reached" in report.error
    assert not report.is_terminal


@pytest.mark.long
def test_bounces_and_auto_replies_are_kept_and_no_leads(mailbox):
    mailbox.put(
        enquiry(1, Auto_Submitted="auto-replied"),
        enquiry(2, Return_Path="<>"),
        enquiry(3, Precedence="auto_reply"),
        plain("Name: A\nE-mail: a@example.org", From="MAILER-DAEMON@mx.example.org", Message_ID="<b@x>"),
        plain("Name: B\nE-mail: b@example.org", Precedence="bulk", Message_ID="<c@x>"),
        enquiry(4, Auto_Submitted="auto-generated"),  # what suppliers write on leads
    )
    assert collect().accepted == 6
    work()
    assert states() == {"suppressed": 5, "settled": 1}
    assert {row["state"] for row in lines("leads", "export", "--format", "jsonl")} == {"settled", "suppressed"}


@pytest.mark.long
def test_a_mail_without_a_template_waits_and_goes_on_once_there_is_one(mailbox, tmp_path):
    mailbox.put(plain("Who: Cara Sample\nReach: cara@example.org\n", From="news@new-supplier.example"))
    collect()
    work()
    assert [code for code, _ in quarantined(SLUG)] == ["no_template"]
    folder = tmp_path / "mappings" / "mail_templates"
    folder.mkdir(parents=True)
    (folder / "new_supplier.yaml").write_text(
        "template: new_supplier\nmatch: {from: '@new-supplier.example'}\nfields: {full_name: Who, email: Reach}\n"
    )
    forget_templates()
    answer("quarantine", "replay", "--reason", "no_template")
    work()
    assert states() == {"settled": 1}
    assert [row["email"] for row in lines("people", "export", "--format", "jsonl")] == ["cara@example.org"]


@pytest.mark.long
def test_a_template_that_finds_nobody_says_that_its_supplier_may_have_changed_its_mails(mailbox):
    mailbox.put(enquiry(1).replace(b"E-mail:", b"Reach:"))
    collect()
    work()
    ((code, message),) = quarantined(SLUG)
    assert (code, "stage_guide" in message) == ("template_does_not_fit", True)


@pytest.mark.long
def test_a_mail_bomb_is_stored_and_waits_while_the_others_go_on(mailbox):
    bomb = b"From: a@example.org\r\nSubject: x\r\nMessage-ID: <bomb@x>\r\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level) for level in range(200)
    )
    collected = [mailbox.put(bomb), mailbox.put(enquiry(1)), collect()][-1]
    assert (collected.accepted, collected.error) == (2, None)
    work()
    assert states() == {"settled": 1, "quarantined": 1}
    assert [code for code, _ in quarantined(SLUG)] == ["mail_too_nested"]


@pytest.mark.long
def test_a_mail_over_the_limit_is_kept_in_part_and_the_whole_stays_in_the_mailbox(mailbox, config, monkeypatch):
    config(mailbox.url, {"move_to": "Done"})
    mailbox.make("Done")
    small = dataclasses.replace(sources()[SLUG].intake, max_message_bytes=5_000)
    known = {SLUG: dataclasses.replace(sources()[SLUG], intake=small)}
    monkeypatch.setattr(polls, "SourceBook", lambda settings: SourceBook(settings, known))
    mailbox.put(enquiry(1, extra=("x" * 70 + "\n") * 2_000), enquiry(2))
    report = collect()
    assert (report.accepted, report.rejected, mailbox.count("Done"), mailbox.undeleted()) == (2, 1, 1, 1)
    ((code, message),) = quarantined(SLUG)
    assert (code, "up to 5000 are taken" in message) == ("mail_too_large", True)
    assert len(stored_events(SLUG)[0].envelope.body) == 65_536


@pytest.mark.long
def test_a_mail_of_25_megabytes_comes_in_whole_and_is_read(mailbox):
    blob = ("A" * 76 + "\r\n") * 330_000
    head, _, text = enquiry(1).partition(b"\r\n\r\n")
    mail = b"\r\n".join(
        [
            head.replace(
                b'Content-Type: text/plain; charset="utf-8"', b'Content-Type: multipart/mixed; boundary="bb"'
            ).replace(b"Content-Transfer-Encoding: 7bit\r\n", b""),
            b"",
            b"--bb",
            b"Content-Type: text/plain",
            b"",
            text,
            b"--bb",
            b'Content-Type: application/pdf; name="a.pdf"',
            b"Content-Transfer-Encoding: base64",
            b"",
            blob.encode(),
            b"--bb--",
            b"",
        ]
    )
    assert len(mail) > 25_000_000
    mailbox.put(mail, enquiry(2))
    report = collect()
    assert (report.accepted, report.error) == (2, None)
    work()
    assert states() == {"settled": 2}


@pytest.mark.long
@pytest.mark.parametrize(
    ("to", "proof"),
    [
        ("leads+k7Q2secret@example.org", "address"),
        ("Leads <leads+k7Q2secret@example.org>", "address"),
        ("leads+wrong@example.org", None),
        ("leads@example.org", None),
    ],
)
def test_a_secret_address_proves_a_mail(mailbox, config, monkeypatch, to, proof):
    monkeypatch.setenv("LEADS_TOKEN", "k7Q2secret")
    config(mailbox.url, secret="env:LEADS_TOKEN")
    mailbox.put(enquiry(1, To=to))
    collect()
    assert stored_events(SLUG)[0].envelope.origin["verified_by"] == proof


@pytest.mark.long
def test_a_suppliers_own_address_proves_its_mails_and_no_others(mailbox, config, monkeypatch):
    monkeypatch.setenv("GUIDE_TOKEN", "guide-secret")
    config(mailbox.url, secrets={"STAGE_GUIDE": "env:GUIDE_TOKEN"})
    mailbox.put(
        enquiry(1, To="leads+guide-secret@example.org"),
        plain("E-mail: b@example.org", To="leads+guide-secret@example.org"),
    )
    collect()
    assert [event.envelope.origin["verified_by"] for event in stored_events(SLUG)] == ["address", None]


@pytest.mark.long
@pytest.mark.parametrize(
    ("results", "proof"),
    [
        (["mx.example.org; dkim=pass header.d=stage-guide.example"], "authentication-results"),
        (["mx.example.org; spf=pass; dmarc=pass header.from=stage-guide.example"], "authentication-results"),
        (["mx.example.org; dkim=pass header.d=evil.example"], None),
        (["mx.example.org; dkim=fail header.d=stage-guide.example"], None),
        (["evil.example; dkim=pass header.d=stage-guide.example"], None),
        (["mx.example.org; dkim=none", "mx.example.org; dkim=pass header.d=stage-guide.example"], None),
    ],
)
def test_only_what_an_own_server_found_proves_a_mail(mailbox, config, results, proof):
    config(mailbox.url, {"trusted_servers": ["mx.example.org"]})
    head = "".join(f"Authentication-Results: {result}\r\n" for result in results).encode()
    mailbox.put(head + enquiry(1))
    collect()
    assert stored_events(SLUG)[0].envelope.origin["verified_by"] == proof


@pytest.mark.long
def test_a_proven_mail_of_the_same_number_corrects_and_an_unproven_one_takes_nothing(mailbox, config, monkeypatch):
    monkeypatch.setenv("LEADS_TOKEN", "k7Q2secret")
    config(mailbox.url, secret="env:LEADS_TOKEN")
    proven = "leads+k7Q2secret@example.org"
    mailbox.put(enquiry(1, To=proven))
    collect()
    mailbox.put(enquiry(1, To=proven, name="Ada Corrected", Message_ID="<second@x>"))
    assert collect().revised == 1
    mailbox.put(enquiry(1, To=proven, name="Ada Corrected", Message_ID="<forwarded copy@x>"))
    assert collect().repeated == 1
    mailbox.put(enquiry(1, name="Somebody Else", Message_ID="<third@x>"))
    report = collect()
    assert (report.accepted, report.revised) == (1, 0)


@pytest.mark.long
def test_no_value_of_a_mail_is_logged(mailbox, capfd):
    mailbox.put(enquiry(1), plain("nothing to see for cara@example.org"), enquiry(2).replace(b"E-mail:", b"Reach:"))
    collect()
    work()
    written = capfd.readouterr()
    for value in ("Ada Sample", "ada1@", "cara@", "stage-guide.example"):
        assert value not in written.out + written.err


@pytest.mark.long
def test_beat_asks_the_mailbox_on_its_schedule_and_the_command_line_tells(mailbox, config):
    assert (SLUG, "default") in due_polls()
    mailbox.put(enquiry(1))
    assert answer("source", "poll", SLUG)["accepted"] == 1
    again = answer("source", "poll", SLUG, "--from", "beginning")
    assert (again["accepted"], again["repeated"]) == (0, 1)
    assert "from its `beginning`" in problem("source", "poll", SLUG, "--from", "7", code=2)
    (state,) = answer("source", "status", SLUG)
    assert state["cursor"].startswith("mail ")
    config(mailbox.url.replace("imap:", "http:"))
    assert "imaps://" in problem("source", "poll", SLUG, code=2)
    assert due_polls() == []
    assert "mailbox" in run("source", "list").stdout
