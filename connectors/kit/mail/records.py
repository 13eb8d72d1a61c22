"""A mail as a record that a mapping reads: by the template that is for it, or said to be none of a lead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from connectors.kit.errors import RecordError
from connectors.kit.mail.attachments import pairs_of
from connectors.kit.mail.labels import (
    Said,
    forwarded_in,
    gaps_of,
    label_key,
    lines_of,
    pair_of,
    pairs_of_lines,
    said_in_html,
)
from connectors.kit.mail.messages import Mail, read_message
from connectors.kit.mail.templates import Template, templates

CONTENT_TYPE = "message/rfc822"
_MAX_LABELS = 100  # that no template reads, kept of one mail
_MAX_VALUE = 20_000
_MAX_FORWARDS = 5
_CERTAIN = ("bounce", "auto_reply")


def read_mail(body: bytes) -> dict[str, Any]:
    """The record of a mail: `kind` (lead, bounce, auto_reply, automatic), `template`, `supplier`, `number`, `sent_at`,
    `lead` with the template's fields, `labels` with what it does not read.

    Raises RecordError: `no_template` where none is for it, `template_does_not_fit` where the one that is finds nobody
    in it, and what `read_message` and attachments raise.
    """
    mail = read_message(body)
    for kind in _CERTAIN:
        if kind in mail.marks:
            return {"kind": kind}
    misfit = None
    for template, form in _candidates(mail):
        lead, number, labels = _read(template, form)
        if not any(lead.get(name) for name in template.needs):
            misfit = misfit or (None if template.is_general else template)
            continue
        moment = form.mail.sent_at or mail.sent_at
        return {
            "kind": "lead",
            "template": f"{template.name}@{template.version}",
            "supplier": template.supplier,
            "number": f"{template.name} {number}" if number and not template.is_general else None,
            "sent_at": moment.isoformat().replace("+00:00", "Z") if moment else None,
            "lead": lead,
            "labels": labels,
        }
    if misfit is not None:
        raise RecordError(
            "template_does_not_fit",
            message=f"the template {misfit.name} is for this mail and finds none of {', '.join(misfit.needs)} in it:"
            " the supplier may have changed its mails; correct the template, then replay",
        )
    if "automatic" in mail.marks:
        return {"kind": "automatic"}
    raise RecordError(
        "no_template",
        message="no template of mappings/mail_templates is for this mail: add one, then replay"
        " (`afluente quarantine replay --reason no_template`)",
    )


class _Form:
    """A mail, or one forwarded in its text, as templates see it."""

    def __init__(self, mail: Mail, sender: str, subject: str, said: Sequence[Said]) -> None:
        """`said`: plain text first, as HTML may differ and fills what it leaves open."""
        self.mail = mail
        self.sender = sender
        self.subject = label_key(subject)
        self.said = said


def _candidates(mail: Mail) -> Iterator[tuple[Template, _Form]]:
    """Templates that are for the mail, for one attached to it or for one in its text; then general ones for each."""
    forms = list(_forms(mail))
    known = templates()
    for form in forms:
        yield from ((template, form) for template in known if template.fits(form.sender, form.subject))
    if "automatic" not in mail.marks:
        for form in reversed(forms):  # what was forwarded, rather than the words around it
            yield from ((template, form) for template in known if template.is_general)


def _forms(mail: Mail) -> Iterator[_Form]:
    page = [said_in_html(mail.html)] if mail.html else []  # once, however many templates look at it
    whole = [Said([], lines_of(mail.plain)), *page]
    yield _Form(mail, mail.sender, mail.subject, whole)
    for said in whole:
        for forwarded in islice(forwarded_in(said.lines), _MAX_FORWARDS):
            yield _Form(mail, _address_in(forwarded.sender), forwarded.subject, [Said([], forwarded.lines), *page])
    for inner in mail.inner:
        yield from _forms(inner)


def _address_in(text: str) -> str:
    """Of `Ada <ada@example.org>`, `"Ada" [mailto:ada@example.org]` and what else mail programs write."""
    words = text.replace("<", " ").replace(">", " ").replace("[", " ").replace("]", " ").replace("mailto:", " ").split()
    return next((word.strip("\"'(),;").lower() for word in words if "@" in word), "")


def _read(template: Template, form: _Form) -> tuple[dict[str, str], str, dict[str, str]]:
    """(fields, the supplier's number, labels that nobody reads)."""
    lead: dict[str, str] = {}
    labels: dict[str, str] = {}
    number = ""
    pairs = [pair for attachment in form.mail.attachments for pair in pairs_of(attachment, template.attachments)]
    for said in form.said:
        lines = _until_stop(template, said.lines)
        for name, value in [*_in_sentences(template, lines), *_over_lines(template, lines)]:
            if value:
                lead.setdefault(name, value[:_MAX_VALUE])
        pairs += [*said.cells, *pairs_of_lines(lines)]
    for label, value in pairs:
        key = label_key(label)
        if not value:
            continue
        if key in template.number:
            number = number or value[:200]
        elif key in template.labels:
            lead.setdefault(template.labels[key], value[:_MAX_VALUE])
        elif key and len(labels) < _MAX_LABELS:
            labels.setdefault(label[:100], value[:_MAX_VALUE])
    if number and template.is_general:  # whose number it is nobody knows, and two may give one
        labels["number"] = number
    return lead, number or lead.pop("number", ""), labels


def _until_stop(template: Template, lines: list[str]) -> list[str]:
    if template.stop:
        for number, line in enumerate(lines):
            if line and label_key(line).startswith(template.stop):
                return lines[:number]
    return lines


def _in_sentences(template: Template, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines if template.lines else ():
        for pattern in template.lines:
            yield from (gaps_of(pattern, line) or {}).items()


def _over_lines(template: Template, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Values that stand below their label, or go on below it where the template says that they are texts."""
    name = ""
    held: list[str] = []
    for line in [*lines, ""]:
        pair = pair_of(line)
        key = label_key(pair[0]) if pair else label_key(line) if len(line) <= 60 else ""
        known = template.labels.get(key) if pair or not held else None
        if known is not None or (pair and key in template.number) or line == "--":
            if name and held:
                yield name, "\n".join(held).strip()
            name, held = known or "", [pair[1]] if pair and pair[1] else []
            if name and held and name not in template.text:
                yield name, held[0]
                name, held = "", []
        elif name and name in template.text:
            held.append(line)
        elif name and line:
            yield name, line
            name, held = "", []
    if name and held:
        yield name, "\n".join(held).strip()
