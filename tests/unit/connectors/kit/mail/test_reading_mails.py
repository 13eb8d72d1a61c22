"""Mails as suppliers, colleagues and mail programs write them, read by templates; and mails made to cost too much."""

from __future__ import annotations

import time
from base64 import b64encode

import pytest

from connectors.kit import ConfigurationError, RecordError
from connectors.kit.mail.labels import gaps_of, said_in_html
from connectors.kit.mail.messages import read_message
from connectors.kit.mail.records import read_mail
from connectors.kit.mail.templates import forget_templates, read_template, templates, wrong_templates
from tests.support.mails import enquiry, plain

GUIDE = "enquiries@stage-guide.example"
CARLANE = "leads@carlane.example"


def mixed(*parts: tuple[str, bytes], sender: str = CARLANE, **headers: str) -> bytes:
    """A mail of several parts, each with its headers."""
    head = {"From": sender, "Subject": "A lead", "Message-ID": "<m@x>", **headers}
    lines = [f"{key}: {value}" for key, value in head.items()]
    body = b"".join(b"--bb\r\n" + told.encode() + b"\r\n\r\n" + content + b"\r\n" for told, content in parts)
    head_lines = "\r\n".join([*lines, 'Content-Type: multipart/mixed; boundary="bb"'])
    return head_lines.encode() + b"\r\n\r\n" + body + b"--bb--\r\n"


def refused(body: bytes) -> str:
    with pytest.raises(RecordError) as caught:
        read_mail(body)
    return caught.value.code


def test_a_text_that_goes_on_over_lines_ends_where_the_template_says():
    text = "Enquiry no: 7\nName: Ada\nE-mail: a@example.org\nMessage: first\n\nsecond: line\n"
    text += "You receive this mail because x\nName: B"
    record = read_mail(plain(text, From=GUIDE, Subject="New enquiry"))
    assert record["lead"]["message"] == "first\n\nsecond: line"
    assert record["lead"]["full_name"] == "Ada"
    assert record["number"] == "stage_guide 7"


def test_what_no_template_reads_is_kept_under_its_label():
    assert read_mail(enquiry(1, extra="Guests: 120\n"))["labels"] == {"Guests": "120"}


@pytest.mark.parametrize(
    "block",
    [
        "---------- Forwarded message ---------\nFrom: Stage Guide <{sender}>\nSubject: New enquiry\nTo: x\n\n",
        "-----Ursprüngliche Nachricht-----\nVon: Stage [mailto:{sender}]\nGesendet: Montag\nBetreff: New enquiry\n\n",
        "________________________________\nDe: {sender}\nEnviado: lunes\nPara: x\nAsunto: New enquiry\n\n",
        "> From: {sender}\n> Subject: New enquiry\n>\n",
        "Début du message réexpédié :\n\nDe: Stage Guide <{sender}>\nObjet: New enquiry\nDate: x\n\n",
    ],
    ids=["gmail", "outlook de", "outlook es", "quoted", "apple fr"],
)
def test_a_mail_forwarded_in_the_text_is_read_by_its_own_template(block):
    text = (
        "Please call her.\n\n" + block.format(sender=GUIDE) + "Enquiry no: 9\nName: Ada Sample\nE-mail: a@example.org\n"
    )
    record = read_mail(plain(text, From="colleague@example.org", Subject="Fwd: look"))
    assert (record["number"], record["lead"]["full_name"]) == ("stage_guide 9", "Ada Sample")


def test_a_mail_forwarded_as_an_attachment_is_read_by_its_own_template():
    body = mixed(
        ("Content-Type: text/plain", b"See below"), ("Content-Type: message/rfc822", enquiry(3)), sender="c@example.org"
    )
    assert read_mail(body)["number"] == "stage_guide 3"


def test_labels_of_a_colleagues_mail_are_read_without_a_template_of_its_own():
    text = "Hi,\nvorname: Nina\nNachname: Beispiel\nReference: 5\n"
    text += "E-Mail-Adresse: nina@example.org <mailto:nina@example.org>\n"
    record = read_mail(plain(text))
    assert record["lead"] == {"first_name": "Nina", "last_name": "Beispiel", "email": "nina@example.org"}
    assert (record["number"], record["labels"]["number"]) == (None, "5")


@pytest.mark.parametrize("charset", ["us-ascii", "iso-8859-1", "utf-8", "no-such-charset", "base64"])
def test_a_charset_that_lies_changes_no_letter(charset):
    body = f"From: {GUIDE}\r\nSubject: New enquiry\r\nContent-Type: text/plain; charset={charset}\r\n\r\n".encode()
    record = read_mail(body + "Name: Zoë Ñandú\r\nE-mail: z@example.org\r\n".encode())
    assert record["lead"]["full_name"] == "Zoë Ñandú"


def test_latin_letters_under_the_name_of_ascii_are_latin():
    body = f"From: {GUIDE}\r\nSubject: New enquiry\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n".encode()
    assert read_mail(body + "Name: Zoë\r\nE-mail: z@example.org\r\n".encode("cp1252"))["lead"]["full_name"] == "Zoë"


def test_the_text_counts_and_html_fills_what_it_leaves_open():
    page = b"<table><tr><td>Name</td><td>Other</td></tr><tr><td>Phone</td><td>123</td></tr></table>"
    record = read_mail(
        mixed(
            ("Content-Type: text/plain", b"Name: Ada\r\nE-mail: a@example.org"),
            ("Content-Type: text/html", page),
            sender=GUIDE,
            Subject="New enquiry",
        )
    )
    assert record["lead"] == {"full_name": "Ada", "email": "a@example.org", "phone": "123"}


def test_cells_of_tables_in_tables_are_label_and_value():
    row = "<tr><th>A:</th><td>1</td><th>B</th><td>2<br>3</td></tr>"
    page = f"<table><tr><td><table>{row}</table></td></tr></table><p>C: 4</p>"
    said = said_in_html(page)
    assert said.cells[:2] == [("A", "1"), ("B", "2\n3")]
    assert "C: 4" in said.lines


@pytest.mark.parametrize(
    ("told", "content"),
    [
        ('Content-Type: text/csv; name="a.csv"', b"First name;Last name;Email\r\nMax;Muster;max@example.net\r\n"),
        (
            "Content-Type: text/vcard",
            b"BEGIN:VCARD\r\nFN:Max Muster\r\nEMAIL;TYPE=work:max@example.net\r\nEND:VCARD\r\n",
        ),
        (
            "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=utf-8''b%C3%BCro.adf",
            b"<adf><prospect><customer><contact><email>max@example.net</email></contact></customer></prospect></adf>",
        ),
    ],
    ids=["csv", "card", "adf"],
)
def test_an_attachment_of_a_declared_format_is_read(told, content):
    assert read_mail(mixed((told, content)))["lead"]["email"] == "max@example.net"
    encoded = told + "\r\nContent-Transfer-Encoding: base64"
    assert read_mail(mixed((encoded, b64encode(content))))["lead"]["email"] == "max@example.net"


def test_an_attachment_of_several_leads_waits_for_somebody_to_import_it():
    assert refused(mixed(("Content-Type: text/csv", b"Email\r\na@example.org\r\nb@example.org\r\n"))) == "several_leads"


def test_xml_that_declares_entities_is_never_read():
    bomb = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><adf><email>&c;</email></adf>'
    assert refused(mixed(("Content-Type: application/xml", bomb))) == "unreadable_attachment"
    deep = b"<a>" * 100 + b"</a>" * 100
    assert refused(mixed(("Content-Type: application/xml", deep))) == "unreadable_attachment"


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Auto-Submitted": "auto-replied"}, "auto_reply"),
        ({"X-Autoreply": "yes"}, "auto_reply"),
        ({"Return-Path": "<>"}, "bounce"),
        ({"Content-Type": "multipart/report; boundary=x"}, "bounce"),
        ({"Precedence": "list"}, "automatic"),
        ({"Auto-Submitted": "auto-generated"}, "automatic"),
    ],
)
def test_what_a_machine_answers_is_no_lead(headers, kind):
    assert read_mail(plain("Name: A\nE-mail: a@example.org", **headers)) == {"kind": kind}


def test_a_mail_of_200_levels_is_refused_before_anybody_goes_down():
    bomb = b"From: a@example.org\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level) for level in range(200)
    )
    assert refused(bomb) == "mail_too_nested"
    assert refused(b"Content-Type: message/rfc822\n\n" * 200) == "mail_too_nested"
    many = b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\n" * 100_000
    assert refused(many) == "mail_too_nested"


def test_headers_without_end_are_refused():
    assert refused(b"Subject: " + b"x" * 100_000 + b"\n\nhello") == "mail_headers_too_long"
    long = b"Content-Type: text/plain" + b';\n a="' * 20_000
    assert refused(b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n' + long) == "mail_headers_too_long"


@pytest.mark.parametrize(
    "unit",
    [
        *("<table><tr><td>", "<", "Name: ", "From: x\n", "From: x\nSubject: y\n", "Other:\n", "<td>a</td>"),
        *("> > > ", "=?utf-8?q?"),
    ],
)
def test_reading_takes_time_in_proportion_to_length(unit):
    def seconds(count: int) -> float:
        html = f"From: {GUIDE}\nSubject: New enquiry\nContent-Type: text/html\n\n{unit * count}".encode()
        text = f"From: {GUIDE}\nSubject: New enquiry\n\n{unit * count}".encode()
        begun = time.process_time()
        for body in (html, text):
            with pytest.raises(RecordError):
                read_mail(body)
        return time.process_time() - begun

    long = min(seconds(20_000) for _ in range(3))
    # 4 times is linear, 16 times its square; what takes less than a moment is not measured.
    assert long < 0.02 or long < 9 * min(seconds(5_000) for _ in range(3))


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("{name} asks for {what}", "Ada Sample asks for a quote", {"name": "Ada Sample", "what": "a quote"}),
        ("New: {name} ({mail})", "New: Ada (a@example.org)", {"name": "Ada", "mail": "a@example.org"}),
        ("New: {name}", "Old: Ada", None),
        ("{a} and {b}", "a or b", None),
    ],
)
def test_gaps_of_a_sentence(pattern, line, found):
    assert gaps_of(pattern, line) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("template: other", "must be 'mine'"),
        ("template: mine", "match must say"),
        ("template: mine\nmatch: {from: a@b.example}\nfeilds: {}", "unknown feilds"),
        ("template: mine\nmatch: {form: a@b.example}", "match.form is unknown"),
        ("template: mine\nmatch: {any: true}\nlines: ['{a}{b}']", "words must stand between"),
        ("template: mine\nmatch: {any: true}\nattachments: [pdf]", "allowed: csv, vcard, adf"),
        ("a: [", "mine.yaml, line 2: did not find expected node content"),
        ("template: mine\nmatch: {any: true}\nmatch: {from: a}", "mine.yaml, line 3: the key 'match' stands twice"),
        ("template: mine\nmatch: &x {any: true}\nfields: *x", "mine.yaml, line 3: .x is an alias"),
        ("template: mine\nfields: " + 300 * "[", "stand too deep"),
    ],
)
def test_a_wrong_template_says_what_is_wrong(tmp_path, text, told):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told.replace("[", r"\[")):
        read_template(path)


def test_a_template_that_became_wrong_leaves_the_version_before_in_force(tmp_path, monkeypatch):
    folder = tmp_path / "mappings" / "mail_templates"
    folder.mkdir(parents=True)
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    (folder / "mine.yaml").write_text("template: mine\nmatch: {from: '@mine.example'}\nfields: {email: Reach}\n")
    monkeypatch.setattr("connectors.kit.mail.templates._REFRESH_SECONDS", 0.0)  # looked at again by each reading
    forget_templates()
    try:
        mail = plain("Reach: a@example.org", From="x@mine.example")
        assert read_mail(mail)["template"].startswith("mine@1+")
        (folder / "mine.yaml").write_text("template: [")
        assert read_mail(mail)["template"].startswith("mine@1+")
        assert list(wrong_templates()) == ["mine.yaml"]
        (folder / "mine.yaml").unlink()
        assert refused(mail) == "no_template"
        assert "mine" not in [template.name for template in templates()]
    finally:
        monkeypatch.undo()
        forget_templates()


def test_a_template_that_is_not_in_utf_8_is_told_for_as_long_as_it_lies_there(tmp_path, monkeypatch):
    folder = tmp_path / "mappings" / "mail_templates"
    folder.mkdir(parents=True)
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    text = "template: mine\nmatch: {from: '@mine.example'}\nfields: {full_name: Señor}\n"
    (folder / "mine.yaml").write_bytes(text.encode("latin-1"))
    monkeypatch.setattr("connectors.kit.mail.templates._REFRESH_SECONDS", 0.0)  # looked at again by each reading
    forget_templates()
    try:
        assert list(wrong_templates()) == ["mine.yaml"]
        assert "mine" not in [template.name for template in templates()]
        assert "mine.yaml" in wrong_templates()["mine.yaml"]
    finally:
        monkeypatch.undo()
        forget_templates()


def test_a_mail_that_is_no_mail_is_read_as_one_without_anything():
    for body in (b"\x00\xff" * 100, b"", b"\n\n\n", b": : :\n\n"):
        assert read_message(body).sender == ""
