"""Which secret in its address proves a mail: the source's, a supplier's own, each of one brand or of all."""

from __future__ import annotations

import json

import pytest

from pipeline.intake.instances import SourceBook
from pipeline.intake.mail.arrivals import Proofs, headers_of
from pipeline.settings.loading import load_settings

SLUG = "directory_mailbox"
ENVIRON = {"OF_CASA": "of-casa", "OF_BOOT": "of-boot", "OF_ALL": "of-all", "PASSWORD": "pass-word"}


@pytest.fixture
def proof(tmp_path):
    """By what a mail to `leads+TOKEN@example.org` is proven that the template `stage_guide` reads."""
    path = tmp_path / "afluente.yaml"

    def proof_of(token, brand="casa", template="stage_guide", **entry):
        source = {"url": "imaps://imap.example.org/Leads", "options": {"user": "leads"}, "brands": [brand], **entry}
        path.write_text(json.dumps({"brands": {"casa": {}, "boot": {}}, "sources": {SLUG: source}}))
        known = load_settings({"AFLUENTE_CONFIG": str(path), "AFLUENTE_DATA": str(tmp_path / "data"), **ENVIRON})
        headers = headers_of(f"From: a@example.com\r\nTo: leads+{token}@example.org\r\n\r\n".encode())
        return Proofs(known, SourceBook(known).find(brand, SLUG)).of(headers, template)

    return proof_of


def test_a_suppliers_secret_may_differ_by_brand(proof):
    secrets = {"STAGE_GUIDE": {"casa": "env:OF_CASA", "boot": "env:OF_BOOT"}}
    assert proof("of-casa", secrets=secrets) == "address"
    assert proof("of-boot", brand="boot", secrets=secrets) == "address"
    assert proof("of-boot", secrets=secrets) is None
    assert proof("of-casa", template="another", secrets=secrets) is None


def test_a_brands_own_secret_proves_every_mail_of_it(proof):
    own = {"casa": "env:OF_CASA"}
    assert proof("of-casa", template="another", secrets=own) == "address"
    assert proof("of-casa", template="another", secrets=own, secret="env:OF_ALL") == "address"
    assert proof("of-all", secrets=own, secret="env:OF_ALL") is None


def test_the_password_of_the_mailbox_proves_no_mail_wherever_it_is_said(proof):
    secrets = {"DIRECTORY_MAILBOX_PASSWORD": "env:PASSWORD"}
    assert proof("pass-word", secrets=secrets, secret="env:OF_ALL") is None
    assert proof("of-all", secrets=secrets, secret="env:OF_ALL") == "address"
