"""The script of docs/forms.md, run as Apps Script runs it: what it posts is signed, and what the mapping reads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from connectors.kit.registry import sources
from connectors.kit.sources.records import split_records
from pipeline.stages.mapping.source_mapping import load_source_mapping
from tests.support.mapped_records import map_record
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "forms.md").read_text(encoding="utf-8")
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
# Google's services as far as the script uses them; bytes are signed there, as in Java. Prints what was posted.
SERVICES = """
const crypto = require("crypto"), posted = [], slept = [], statuses = [...STATUSES], triggers = [];
const bytes = buffer => [...new Int8Array(buffer)], buffer = signed => Buffer.from(Int8Array.from(signed).buffer);
const Utilities = {
  base64Decode: text => bytes(Uint8Array.from(Buffer.from(text, "base64")).buffer),
  base64Encode: signed => buffer(signed).toString("base64"),
  newBlob: text => ({ getBytes: () => bytes(Uint8Array.from(Buffer.from(text, "utf8")).buffer) }),
  computeHmacSha256Signature: (content, key) =>
    bytes(Uint8Array.from(crypto.createHmac("sha256", buffer(key)).update(buffer(content)).digest()).buffer),
  sleep: milliseconds => slept.push(milliseconds),
};
const properties = { AFLUENTE_SECRET: SECRET + "\\n" };
const PropertiesService = { getScriptProperties: () => ({ getProperty: name => properties[name] }) };
const UrlFetchApp = { fetch: (url, options) => {
  posted.push({ url, ...options });
  const status = statuses.length > 1 ? statuses.shift() : statuses[0];
  if (status === 0) throw new Error("Address unavailable");
  return { getResponseCode: () => status };
} };
const response = answers => ({ getId: () => "2_ABaOsample09", getTimestamp: () => new Date("2026-03-02T09:14:55Z"),
  getRespondentEmail: () => ADDRESS, getItemResponses: () => answers.map(([title, answer]) =>
    ({ getItem: () => ({ getTitle: () => title }), getResponse: () => answer })) });
const form = { getId: () => "1FAsampleForm", getTitle: () => "Ask for a démo", getResponses: since => {
  posted.push({ since: (Date.now() - since) / 86400000 });
  return [response(ANSWERS), response(ANSWERS)];
} };
const trigger = (handler, kind) => ({ create: () => triggers.push([handler, kind]) });
const FormApp = { getActiveForm: () => form };
const ScriptApp = { getProjectTriggers: () => [["onResponse"]], deleteTrigger: () => triggers.push("deleted"),
  newTrigger: handler => ({ forForm: () => ({ onFormSubmit: () => trigger(handler, "submit") }),
    timeBased: () => ({ everyHours: hours => trigger(handler, hours) }) }) };
SCRIPT
let thrown = null;
try { CALL } catch (error) { thrown = error.message; }
console.log(JSON.stringify({ posted, slept, thrown, triggers }));
"""
ANSWERS = [["Vorname", "Zoë"], ["E-mail", "zoe@example.org"], ["Interested in", ["ERP", "Shop"]]]
ON_RESPONSE = "onResponse({ source: form, response: response(ANSWERS) });"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run_script(*statuses: int, call: str = ON_RESPONSE, address: str = "") -> dict[str, Any]:
    found = re.search(r"^```javascript\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    said = {"STATUSES": statuses, "SECRET": SECRET, "ADDRESS": address, "ANSWERS": ANSWERS}
    program = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in said.items())
    program += SERVICES.replace("CALL", call).replace("SCRIPT\n", found[1] + "\n", 1)
    ended = subprocess.run(["node", "-e", program], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(ended.stdout)


def is_accepted(post: dict[str, Any], body: bytes) -> bool:
    headers = {name.lower(): value for name, value in post["headers"].items()}
    now = float(headers["webhook-timestamp"])
    return sources()["google_forms"].intake.signature.verify(secrets=[SECRET], headers=headers, body=body, now=now)


def test_what_it_posts_is_signed_over_its_bytes_letters_beyond_ascii_too():
    (post,) = run_script(200)["posted"]
    body = post["payload"].encode()
    assert "Zoë" in post["payload"]
    assert is_accepted(post, body)
    assert not is_accepted(post, body.replace("Zoë".encode(), b"Zoe"))


def test_what_it_posts_becomes_a_lead_of_which_nothing_is_undecided():
    (post,) = run_script(200, address="zoe.brandt@example.org")["posted"]
    (record,) = split_records(sources()["google_forms"], post["payload"].encode(), post["contentType"])
    lead = map_record(load_source_mapping("google_forms"), record)
    assert {name: lead.fields[name] for name in ("first_name", "email", "product_interest", "form_name")} == {
        "first_name": "Zoë",
        "email": "zoe@example.org",
        "product_interest": "ERP, Shop",
        "form_name": "Ask for a démo",
    }
    assert lead.undecided == []


def test_a_receiver_that_is_away_is_asked_again_and_then_google_is_told():
    answered = run_script(0, 503, 429, 200)
    assert (len(answered["posted"]), answered["thrown"]) == (4, None)
    away = run_script(503)
    assert len(away["posted"]) == 4
    assert away["thrown"] == "The lead was not taken, status 503"
    assert away["slept"] == sorted(away["slept"])


def test_a_refusal_is_not_tried_again():
    refused = run_script(401)
    assert (len(refused["posted"]), refused["thrown"]) == (1, "The lead was not taken, status 401")


def test_what_was_missed_is_posted_again_under_the_same_ids():
    since, *posts = run_script(200, call="catchUp();")["posted"]
    assert round(since["since"], 2) == 3
    assert [json.loads(post["payload"])["response_id"] for post in posts] == ["2_ABaOsample09"] * 2


def test_installing_it_twice_makes_no_second_trigger():
    triggers = run_script(200, call="install();")["triggers"]
    assert triggers == ["deleted", ["onResponse", "submit"], ["catchUp", 6]]
