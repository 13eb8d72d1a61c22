"""The page docs/website-form.md and the receiver's script: what a form posts is what its mapping reads, all of it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from pipeline.records import Suppressed
from pipeline.stages.mapping.source_mapping import load_source_mapping
from tests.support.mapped_records import map_record, try_record
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "website-form.md").read_text(encoding="utf-8")
SCRIPT = (ROOT / "pipeline" / "intake" / "browser" / "form.js").read_text(encoding="utf-8")
MAPPING = load_source_mapping("web_form")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_every_field_that_the_page_shows_is_one_the_mapping_has_decided_about():
    shown = json.loads(block("json"))
    lead = map_record(MAPPING, shown)
    assert (lead.custom, lead.undecided) == ({}, [])
    assert {*shown["fields"]} <= {*lead.fields}
    assert (lead.fields["utm_source"], lead.fields["gclid"]) == ("google", "Cj0sample01")
    [first] = lead.earlier_touches
    assert first.at == datetime(2026, 2, 20, 7, 30, tzinfo=UTC)
    assert first.fields["utm_source"] == "linkedin"
    assert dict(parse_qsl(urlsplit(first.fields["page_url"]).query))["utm_medium"] == "paid_social"
    [consent] = lead.consents
    assert (consent.purpose, consent.channel, consent.policy_version) == ("marketing", "email", "2026-01")


def test_the_names_of_the_form_and_the_tags_of_the_script_are_those_of_the_mapping():
    inputs = set(re.findall(r'name="(\w+)"', block("html"))) - {"hp"}
    tags = set(re.findall(r"\b(?:utm_[a-z_]+|[a-z]+clid|[a-z]+braid|li_fat_id)\b", SCRIPT))
    assert {"utm_source", "gclid"} <= tags
    record = json.loads(block("json"))
    record["fields"] = dict.fromkeys(inputs, "Sample") | {"email": "ada.sample@example.org"}
    record["first_touch"] |= dict.fromkeys(tags, "sample")
    record["last_touch"] |= dict.fromkeys(tags, "sample")
    lead = map_record(MAPPING, record)
    assert (lead.custom, lead.undecided) == ({}, [])
    assert tags <= {*lead.fields}
    assert tags <= {*lead.earlier_touches[0].fields}


def test_a_filled_field_that_no_human_sees_suppresses_the_lead():
    assert isinstance(try_record(MAPPING, json.loads(block("json")) | {"hp": "https://spam.example"}), Suppressed)
