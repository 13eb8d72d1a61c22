"""Mails of invented suppliers, as they would come."""

from __future__ import annotations

from email.message import EmailMessage


def enquiry(number: int = 1, *, name: str = "Ada Sample", extra: str = "", **headers: str) -> bytes:
    """A mail that the template `stage_guide` reads."""
    mail = EmailMessage()
    said = {
        "From": "Stage Guide <enquiries@stage-guide.example>",
        "To": "leads@example.org",
        "Subject": "New enquiry for your venue",
        "Date": f"Mon, 02 Mar 2026 09:{number % 60:02}:00 +0000",
        "Message-ID": f"<enquiry-{number}@stage-guide.example>",
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }
    for key, value in said.items():
        mail[key] = value
    mail.set_content(f"Enquiry no: {number}\nName: {name}\nE-mail: ada{number}@example.org\n{extra}")
    return mail.as_bytes().replace(b"\n", b"\r\n")


def plain(text: str, **headers: str) -> bytes:
    """A mail of a sender that no template names."""
    said = {"From": "somebody@example.com", "Subject": "Hello", "Message-ID": "<plain-1@example.com>", **headers}
    lines = [f"{key.replace('_', '-')}: {value}" for key, value in said.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + text.replace("\n", "\r\n")).encode()
