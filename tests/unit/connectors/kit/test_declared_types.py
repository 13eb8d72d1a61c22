"""A declaration that holds something else than it may is refused with the field, what is there and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.kit.declared_types import wrong_types
from connectors.kit.registry import broken_sources, shipped_sources, sources
from tests.support.command_line import run
from tests.support.company_sources import CompanySources, company_sources


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("said", "place", "there", "allowed"),
    [
        (
            'intake=Webhook(signature=HeaderKey("X-Key", Secret("ACME_KEY")))',
            "CONNECTOR.intake.signature", "a HeaderKey", "Signature (HmacSha256, KeyInBody, SharedSecret",
        ),
        ('intake=Webhook(signature=HmacSha256)', "intake.signature", "the class HmacSha256 itself", "Signature ("),
        ('intake=Webhook(signature=HmacSha256("X", "ACME"))', "intake.signature.secret", "'ACME'", "Secret"),
        ('intake=Poll("https://acme.io", auth=HmacSha256("X", Secret("A")))', "intake.auth", "a HmacSha256", "Auth ("),
        ('intake=Poll("https://api.acme.io", pages="page")', "intake.pages", "'page'", "PageNumber"),
        ('intake=Poll("https://api.acme.io", every_seconds="60")', "intake.every_seconds", "'60'", "a whole number"),
        ('intake=Webhook(answer="ok")', "intake.answer", "'ok'", "Answer"),
        ('intake=Webhook', "CONNECTOR.intake", "the class Webhook itself", "Webhook, Poll, File"),
        ('intake=Webhook(), contact_at="mail"', "CONNECTOR.contact_at", "'mail'", "a tuple of text"),
        ('intake=Webhook(), prepare="prepare"', "CONNECTOR.prepare", "'prepare'", "a function, None"),
        (
            'intake=Poll("https://api.acme.io", streams=(Stream("a"), "b"))',
            "CONNECTOR.intake.streams", "a tuple", "a tuple of Stream",
        ),
    ],
)  # fmt: skip
def test_what_a_field_may_not_hold_is_said_with_what_it_may(company, said, place, there, allowed):
    company.declare("acme", said, "lead: {email: mail}")
    reason = broken_sources()["acme"]
    assert f"{place} is {there}" in reason
    assert allowed in reason.partition("allowed: ")[2]
    assert "acme.py" in reason
    assert "acme" not in sources()


def test_the_check_of_a_source_says_it_too(company):
    said = 'intake=Webhook(signature=HeaderKey("X-Key", Secret("ACME_KEY")))'
    company.declare("acme", said, "lead: {email: mail}")
    done = run("source", "check", "acme")
    assert done.returncode == 1
    assert "CONNECTOR.intake.signature is a HeaderKey; allowed: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_every_shipped_declaration_holds_what_it_may():
    assert {slug: wrong for slug, connector in shipped_sources().items() if (wrong := wrong_types(connector))} == {}
