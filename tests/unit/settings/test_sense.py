"""Settings are checked for sense: each mistake with its place, what is allowed, and all of them at once."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings.loading import load_settings


@pytest.fixture
def say(tmp_path):
    """What is said of a settings file with this text."""

    def read(text: str) -> str:
        (tmp_path / "afluente.yaml").write_text(text, encoding="utf-8")
        try:
            load_settings({"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml"), "AFLUENTE_DATA": str(tmp_path)})
        except ConfigurationError as error:
            return str(error).removeprefix(f"{tmp_path / 'afluente.yaml'}: ")
        return ""

    return read


HOOK = "webhooks: { a: {url: 'https://hooks.example.org/x', secrets: {signing: 'env:X'}, "
CRM = "destinations: {crm: {kind: salesforce, base_url: 'https://crm.example', "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("brands: {b: {region: USA}}", "brands.b.region: 'USA' is not the code of a country: write US"),
        ("brands: {b: {region: Spain}}", "brands.b.region: 'Spain' is not the code of a country: write ES"),
        ("sources: {api: {region: España}}", "sources.api.region: 'España' is not the code of a country: write ES"),
        ("brands: {b: {region: Narnia}}", "two letters (ISO 3166-1 alpha-2)"),
        ("brands: {b: {region: ''}}", "brands.b.region"),
        ("brands: {b: {region: NO}}", "brands.b.region: False is not a text: put it in quotes"),
        ("tuning: {batch_size: -5}", "tuning.batch_size: -5 is too small; at least 1"),
        ("tuning: {batch_size: 0}", "at least 1"),
        ("tuning: {batch_size: 100000000}", "too large"),
        ("tuning: {batch_size: '7'}", "tuning.batch_size: '7' is not a whole number: leave the quotes out"),
        ("tuning: {batch_size: 1.5}", "1.5 is not a whole number"),
        ("tuning: {batch_size: true}", "True is not a whole number"),
        ("tuning: {sweep_seconds: 0}", "must be more than 0"),
        ("tuning: {sweep_seconds: .nan}", "tuning.sweep_seconds"),
        ("tuning: {sweep_seconds: .inf}", "tuning.sweep_seconds"),
        ("tuning: {delivery_attempts: 0}", "at least 1"),
        ("tuning: {delivery_linger_seconds: -1}", "at least 0"),
        ("tuning: []", "tuning: [] is not an object"),
        (CRM + "calls_per_second: 0}}", "destinations.crm.calls_per_second: 0 is too small; it must be more than 0"),
        (CRM + "calls_per_second: -3}}", "destinations.crm.calls_per_second"),
        (CRM + "timeout_seconds: 99999}}", "destinations.crm.timeout_seconds: 99999 is too large; at most 600"),
        (CRM + "account: Our Company}}", "destinations.crm.account: names are lower-case letters"),
        (CRM + "windows: {Day: {}}}}", "destinations.crm.windows.Day: names are lower-case letters"),
        (CRM + "windows: {day: {calls: 0}}}}", "destinations.crm.windows.day.calls: 0 is too small; at least 1"),
        (CRM + "windows: {day: {seconds: 0}}}}", "destinations.crm.windows.day.seconds: 0 is too small; at least 0.1"),
        (CRM + "windows: {day: {reserve: 1.5}}}}", "destinations.crm.windows.day.reserve: 1.5 is too large"),
        (CRM + "windows: {day: {call: 5}}}}", "destinations.crm.windows.day.call: 'call' is not known (did you mean"),
        (CRM + "windows: [day]}}", "destinations.crm.windows: ['day'] is not an object"),
        (
            CRM + "base_ulr: x}}",
            "destinations.crm.base_ulr: 'base_ulr' is not known (did you mean base_url?); allowed:",
        ),
        ("destinations: {crm: {kind: salesforce}}", "destinations.crm: base_url is missing"),
        ("destinations: {crm: {kind: salesforce, base_url: crm.example}}", "destinations.crm.base_url: 'crm.example'"),
        ("destinations: {crm: }", "destinations.crm: nothing is not an object"),
        (
            HOOK + "events: [lead.setled]}}",
            "webhooks.a.events[0]: 'lead.setled' is not known (did you mean lead.settled?)",
        ),
        (HOOK + "events: []}}", "webhooks.a.events: is empty; name some of lead.settled"),
        (
            HOOK + "events: [lead.settled], fields: [emial]}}",
            "webhooks.a.fields[0]: 'emial' is not known (did you mean",
        ),
        (HOOK + "events: [lead.settled], brands: [casa]}}", "webhooks.a.brands[0]: 'casa' is not known"),
        (HOOK + "events: [lead.settled], consent: marketing}}", "webhooks.a.consent: 'marketing' names no question"),
        (
            HOOK + "events: [lead.settled], timeout_seconds: 90}}",
            "webhooks.a.timeout_seconds: 90 is too large; at most",
        ),
        (HOOK + "events: [lead.settled], retry_seconds: [0]}}", "webhooks.a.retry_seconds[0]: 0 is too small"),
        (
            HOOK.replace("env:X", "whsec_abc") + "events: [lead.settled]}}",
            "webhooks.a.secrets.signing: a secret must be",
        ),
        (HOOK.replace("signing", "signin") + "events: [lead.settled]}}", "webhooks.a.secrets: signing is missing"),
        (
            HOOK.replace("https", "http") + "events: [lead.settled]}}",
            "webhooks.a.url: must begin with https://; for one",
        ),
        (HOOK.replace("hooks.", "u:p@hooks.") + "events: [lead.settled]}}", "webhooks.a.url: holds credentials"),
        (
            HOOK.replace("hooks.example.org", "10.0.0.1") + "events: [lead.settled]}}",
            "set webhooks.a.allow_private: true",
        ),
        (HOOK.replace(" a:", " hook_a:") + "events: [lead.settled]}}", "webhooks.hook_a: names are lower-case letters"),
        ("hooks: {fields: [emial]}", "hooks.fields[0]: 'emial' is not known"),
        ("hooks: {most: 0}", "hooks.most: 0 is too small"),
        ("brands: {b: {brand: x}}", "brands.b.brand: 'brand' is not known"),
        (
            "source: {}",
            "source: 'source' is not known (did you mean sources?); allowed: access, audit, brands, consent",
        ),
        ("sources: {api: {lane: warm}}", "sources.api.lane: 'warm' is not known; allowed: bulk, hot"),
        ("sources: {api: {every_seconds: 0}}", "sources.api.every_seconds: 0 is too small; at least 1"),
        ("sources: {api: {rate_per_second: -1}}", "sources.api.rate_per_second: -1 is too small"),
        ("sources: {api: {enabled: 'no'}}", "sources.api.enabled: 'no' is not true or false"),
        ("sources: {api: {brands: casa}}", "sources.api.brands: 'casa' is not a list"),
        ("sources: {api: {brands: [casa]}}", "sources.api.brands: casa is not among brands (default)"),
        ("sources: {api: {url: feed.example}}", "sources.api.url: 'feed.example' is no address"),
        ("sources: [api]", "sources: ['api'] is not an object of `name: value`"),
        ("sources: {Api: {}}", "sources.Api: names are lower-case letters"),
        ("brands: {7: {}}", "brands.7: 7 is not a name"),
        ("flower: {port: 5555}", "flower"),
        ("[1, 2]", "[1, 2] is not an object"),
        ("just text", "is not an object"),
        ("tuning: {batch_size: 5, batch_size: 6}", "tuning.batch_size: stands twice (line 1)"),
        ("tuning: {batch_size: 5}\nbrands: {}\ntuning: {}", "tuning: stands twice (line 3)"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_with_what_is_allowed(say, text, said):
    assert said in say(text)


def test_all_mistakes_are_told_at_once(say):
    said = say("brands: {b: {region: USA}}\ntuning: {batch_size: -5, speed: 1}\nsources: {api: {lane: x}}").splitlines()
    assert said[0] == "4 things are wrong"
    for place in ("brands.b.region", "tuning.batch_size", "tuning.speed", "sources.api.lane"):
        assert any(line.startswith(f"  {place}: ") for line in said), place


@pytest.mark.parametrize("text", ["secret: {a: hunter2}", "secret: [hunter2]", "secret: hunter2", "token: hunter2"])
def test_a_secret_that_stands_there_in_clear_is_refused_and_not_repeated(say, text):
    said = say(f"sources: {{api: {{{text}}}}}")
    assert said.startswith("sources.api.")
    assert "hunter2" not in said
    assert "hunter2" not in say("flower: {auth: hunter2}")
    assert "hunter2" not in say(CRM + "secrets: {client_id: hunter2}}}")


def test_a_country_in_small_letters_is_its_code(tmp_path):
    (tmp_path / "afluente.yaml").write_text("brands: {b: {region: es}}\nsources: {api: {region: 'no'}}\n")
    known = load_settings({"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml"), "AFLUENTE_DATA": str(tmp_path)})
    assert known.region_for("web_form", "b") == "ES"
    assert known.region_for("api", "b") == "NO"


@pytest.mark.parametrize("text", ["", "{}", "brands:\n", "# nothing yet\n", "tuning: &t {batch_size: 5}\n"])
def test_an_empty_section_and_an_anchor_are_no_mistakes(say, text):
    assert say(text) == ""
