"""The script of docs/website-form.md: what it posts is what the mapping of the website form reads, all of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from pipeline.records import Suppressed
from pipeline.stages.mapping.source_mapping import load_source_mapping
from tests.support.mapped_records import map_record, try_record
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "website-form.md").read_text(encoding="utf-8")
MAPPING = load_source_mapping("web_form")
# A browser as far as the script looks at it. The program ends with what was posted, a line for each.
BROWSER = """
const visits = VISITS, storage = new Map(), posted = [];
let visit, listener, fails = false;
globalThis.localStorage = STORAGE;
globalThis.FormData = class { *[Symbol.iterator]() { yield* Object.entries(visit.fields); } };
globalThis.alert = text => posted.push({alert: text});
globalThis.fetch = async (url, options) => {
  posted.push({url, body: JSON.parse(options.body), headers: options.headers || null});
  if (visit.fails && !visit.failed) { visit.failed = true; throw new TypeError("offline"); }
  return {ok: true};
};
const form = {dataset: {formId: "demo-request", formName: "Ask for a demo"}, reset() {},
  addEventListener(_, called) { listener = called; }};
(async () => {
  for (visit of visits) {
    const address = new URL(visit.page);
    globalThis.location = address;
    globalThis.document = {referrer: visit.referrer || "", getElementById: () => visit.fields ? form : null};
    listener = null;
    SCRIPT
    for (let times = visit.times || 1; listener && times > 0; times--) await listener({preventDefault() {}});
  }
  console.log(JSON.stringify(posted));
})();
"""
KEPT = "{getItem: name => storage.get(name) ?? null, setItem: (name, text) => void storage.set(name, text)}"
REFUSED = "{getItem() { throw new Error('private'); }, setItem() { throw new Error('private'); }}"
FIELDS = {"first_name": "Ada", "last_name": "Sample", "email": "ada.sample@example.org", "hp": ""}
BLOG = "https://www.example.com/blog/lean?utm_source=linkedin&utm_medium=paid_social"
HOME = "https://www.example.com/?utm_source=google&utm_medium=cpc&gclid=Cj0sample01"
DEMO = "https://www.example.com/demo"


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def paths(value, before: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {before}
    return {path for key, entry in value.items() for path in paths(entry, f"{before}.{key}".lstrip("."))}


def post(*visits: dict, storage: str = KEPT) -> list[dict]:
    if shutil.which("node") is None:
        pytest.skip("there is no node to run the website's script with")
    program = BROWSER.replace("SCRIPT", block("javascript")).replace("STORAGE", storage)
    program = program.replace("VISITS", json.dumps(visits))
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_field_that_the_page_shows_is_one_the_mapping_has_decided_about():
    shown = json.loads(block("json"))
    lead = map_record(MAPPING, shown)
    assert (lead.custom, lead.undecided) == ({}, [])
    assert {*shown["fields"]} <= {*lead.fields}
    assert (lead.fields["utm_source"], lead.fields["gclid"], lead.fields["form_name"]) == (
        "google",
        "Cj0sample01",
        "Ask for a demo",
    )
    [first] = lead.earlier_touches
    assert first.at == datetime(2026, 2, 20, 7, 30, tzinfo=UTC)
    assert first.fields["utm_source"] == "linkedin"
    assert dict(parse_qsl(urlsplit(first.fields["page_url"]).query))["utm_medium"] == "paid_social"
    [consent] = lead.consents
    assert (consent.purpose, consent.channel, consent.policy_version) == ("marketing", "email", "2026-01")


def test_the_names_of_the_form_and_of_the_script_are_those_of_the_mapping():
    inputs = set(re.findall(r'name="(\w+)"', block("html"))) - {"hp", "marketing_email"}
    tags = re.findall(r'"([a-z_]+)"', re.search(r"tags = \[(.*?)\]", block("javascript"), flags=re.DOTALL)[1])
    record = json.loads(block("json"))
    record["fields"] = dict.fromkeys(inputs, "Sample") | {"email": "ada.sample@example.org"}
    record["first_touch"] |= dict.fromkeys(tags, "sample")
    record["last_touch"] |= dict.fromkeys(tags, "sample")
    lead = map_record(MAPPING, record)
    assert (lead.custom, lead.undecided) == ({}, [])
    assert set(tags) <= {*lead.fields}
    assert set(tags) <= {*lead.earlier_touches[0].fields}


def test_the_script_posts_what_the_page_says_and_remembers_the_first_visit():
    [sent] = post(
        {"page": BLOG, "referrer": "https://www.linkedin.com/"},
        {"page": HOME, "referrer": "https://www.google.com/"},
        {
            "page": DEMO,
            "referrer": "https://www.example.com/pricing",
            "fields": {
                **FIELDS,
                "phone": "+44 20 7946 0018",
                "company": "Sample Ltd",
                "message": "Hello",
                "marketing_email": "on",
            },
        },
    )
    body = sent["body"]
    assert paths(body) == paths(json.loads(block("json")))
    assert sent["headers"] is None, "a header of its own would make browsers ask first"
    assert sent["url"].endswith("/in/default/web_form")
    assert (body["first_touch"]["utm_source"], body["last_touch"]["utm_source"]) == ("linkedin", "google")
    assert body["consent"]["marketing_email"] is True
    body["elapsed_ms"] = 8000
    lead = map_record(MAPPING, body)
    assert (lead.custom, lead.undecided, len(lead.earlier_touches)) == ({}, [], 1)


def test_who_comes_back_without_a_tag_keeps_the_last_visit_that_said_something():
    [sent] = post({"page": HOME}, {"page": DEMO, "fields": FIELDS})
    assert sent["body"]["last_touch"]["gclid"] == "Cj0sample01"
    assert sent["body"]["consent"]["marketing_email"] is False


def test_a_submission_that_failed_is_tried_again_under_its_id_and_the_next_has_another():
    first, told, again, other = post({"page": DEMO, "fields": FIELDS, "fails": True, "times": 3})
    assert "send it again" in told["alert"]
    assert first["body"]["submission_id"] == again["body"]["submission_id"] != other["body"]["submission_id"]


def test_where_nothing_may_be_stored_the_form_is_sent_all_the_same():
    [sent] = post({"page": BLOG}, {"page": HOME, "fields": FIELDS}, storage=REFUSED)
    assert sent["body"]["first_touch"]["utm_source"] == sent["body"]["last_touch"]["utm_source"] == "google"


def test_a_filled_field_that_no_human_sees_suppresses_the_lead():
    [sent] = post({"page": DEMO, "fields": {**FIELDS, "hp": "https://spam.example"}})
    assert isinstance(try_record(MAPPING, sent["body"] | {"elapsed_ms": 9000}), Suppressed)
