"""Every source stands on the page of all sources, with a page of its own that says how it is set up."""

from __future__ import annotations

import re

import pytest

from connectors.kit import sources
from connectors.kit.sources.declarations import Webhook
from connectors.kit.sources.handshakes import secrets_of_webhook
from tests.support.paths import ROOT

ROW = re.compile(r"^\| `(\w+)` \|.*\| \[[^\]]+\]\(([\w-]+\.md)(?:#[\w-]+)?\) \|$", re.MULTILINE)
ROWS = dict(ROW.findall((ROOT / "docs/sources.md").read_text("utf-8")))


def test_the_page_lists_the_sources_there_are_in_their_order():
    assert list(ROWS) == sorted(sources())


@pytest.mark.parametrize("slug", ROWS)
def test_its_own_page_names_each_secret(slug):
    intake = sources()[slug].intake
    text = (ROOT / "docs" / ROWS[slug]).read_text("utf-8")
    secrets = secrets_of_webhook(intake) if isinstance(intake, Webhook) else ()
    assert [secret.name for secret in secrets if secret.name not in text] == []
