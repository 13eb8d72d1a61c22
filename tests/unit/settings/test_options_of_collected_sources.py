"""Options of drop folders and mailboxes: one that nobody reads is a slip of the pen, and is said."""

from __future__ import annotations

import json

import pytest

from pipeline.health.connector_checks import check_sources
from pipeline.settings.loading import load_settings

FOLDER = {"ready": "done", "settle_seconds": 5, "dates": "dmy", "encoding": "utf-8", "sheet": "Leads"}
MAILBOX = {"user": "leads", "auth": "password", "move_to": "Done", "trusted_servers": ["mx.example.org"]}


@pytest.fixture
def detail(tmp_path):
    """What a check says of a source whose options are these."""

    def of(connector, options):
        place = {"url": "imaps://imap.example.org/Leads"} if connector == "directory_mailbox" else {"folder": "fair"}
        entry = {"connector": connector, "options": options, **place}
        path = tmp_path / "afluente.yaml"
        path.write_text(json.dumps({"sources": {"trade_fair": entry}}))
        environ = {"AFLUENTE_CONFIG": str(path), "AFLUENTE_DATA": str(tmp_path), "DIRECTORY_MAILBOX_PASSWORD": "0"}
        checks = check_sources(load_settings(environ), asks=False)
        return next(check.detail for check in checks if check.name == "source trade_fair")

    return of


@pytest.mark.parametrize(
    ("connector", "option", "told"),
    [
        (
            "drop_folder",
            "settle_second",
            "'settle_second' is not known (did you mean settle_seconds?); allowed:",
        ),
        ("partner_lists", "trusted_servers", "'trusted_servers' is not known; allowed: dates, encoding, ready,"),
        ("directory_mailbox", "move_too", "'move_too' is not known (did you mean move_to?); allowed: auth, move_to,"),
    ],
)
def test_an_option_that_nobody_reads_is_refused_with_the_one_that_was_meant(detail, connector, option, told):
    assert f"sources.trade_fair.options.{option}: {told}" in detail(connector, {option: 5})


@pytest.mark.parametrize(("connector", "options"), [("drop_folder", FOLDER), ("directory_mailbox", MAILBOX)])
def test_every_option_that_the_kind_reads_is_taken(detail, connector, options):
    assert "not known" not in detail(connector, options)
