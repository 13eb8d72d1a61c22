"""The page names each event, each reason and each default as the code has it."""

from __future__ import annotations

import re

from pipeline.records.webhooks import WEBHOOK_EVENTS, WEBHOOK_STATES
from pipeline.settings.declarations import HookSettings, WebhookPolicy
from pipeline.webhooks.payloads import GONE, NO_CONSENT
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "webhooks-out.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def test_every_event_has_its_row_in_the_order_of_the_code():
    assert (
        tuple(re.findall(r"^\| `((?:lead|person|delivery|consent)\.\w+)` \|", PAGE, flags=re.MULTILINE))
        == WEBHOOK_EVENTS
    )


def test_the_settings_page_lists_the_same_events():
    (row,) = [line for line in SETTINGS.splitlines() if line.startswith("| `events` |")]
    assert tuple(re.findall(r"`(\w+\.\w+)`", row)) == WEBHOOK_EVENTS


def test_reasons_and_states_are_named():
    assert {word for word in (*GONE.values(), NO_CONSENT) if f"`{word}`" not in PAGE} <= {"delivery_gone"}
    assert {"failed", "dropped", "held"} <= set(WEBHOOK_STATES) & set(re.findall(r"`(\w+)`", PAGE))


def test_the_defaults_on_the_settings_page_are_those_of_the_code():
    policy = WebhookPolicy()
    said = dict(re.findall(r"^\| `(\w+)` \| .*?: (\d+)(?:, at most \d+)? \|$", SETTINGS, flags=re.MULTILINE))
    names = ("timeout_seconds", "concurrent", "disable_after_days", "disable_after_failed", "keep_days")
    assert {name: float(said[name]) for name in names} == {name: float(getattr(policy, name)) for name in names}
    assert int(said["most"]) == HookSettings().most
