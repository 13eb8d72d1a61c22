"""Settings read from an environment that is given say nothing of the one this process runs in, secrets included."""

from __future__ import annotations

import pytest

from pipeline.delivery.writers import connection_to
from pipeline.errors import ConfigurationError
from pipeline.settings.loading import Settings, load_settings

OF_THE_PROCESS = {
    "AFLUENTE_SECRET_KEYS": "a-key-of-the-process",
    "AFLUENTE_API_KEYS": "process:admin:an-api-key-of-the-process",
    "STANDARD_WEBHOOKS_SECRET": "a-signing-secret-of-the-process",
    "FEED_TOKEN": "a-token-of-the-process",
    "CRM_SECRET": "a-crm-secret-of-the-process",
    "FLOWER_AUTH": "flower:of-the-process",
}
GIVEN = {name: text.replace("process", "caller") for name, text in OF_THE_PROCESS.items()}
FILE = """
sources:
  json_feed: {url: https://feed.example, token: env:FEED_TOKEN}
  web_form: {secret: env:STANDARD_WEBHOOKS_SECRET}
destinations:
  crm:
    kind: salesforce
    base_url: https://crm.example
    secrets: {client_id: env:CRM_SECRET}
flower: {auth: env:FLOWER_AUTH}
"""


@pytest.fixture
def place(tmp_path, monkeypatch) -> dict[str, str]:
    """Variables that lead to a settings file and an empty data folder; the process has secrets of its own."""
    for name, text in OF_THE_PROCESS.items():
        monkeypatch.setenv(name, text)
    (tmp_path / "afluente.yaml").write_text(FILE, encoding="utf-8")
    return {"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml"), "AFLUENTE_DATA": str(tmp_path / "data")}


def secrets_of(settings: Settings) -> list[object]:
    """Each secret that the settings can give, in the order in which a person would look for them."""
    assert settings.flower_auth is not None
    return [
        settings.secret_keys(),
        settings.sending_key(),
        settings.source_secrets("web_form", "UNUSED"),
        settings.source_secrets("standard_webhooks", "STANDARD_WEBHOOKS_SECRET"),
        settings.source_tokens("json_feed", None),
        settings.source_tokens("another_feed", "FEED_TOKEN"),
        settings.flower_auth.resolve(settings.environ),
        connection_to("crm", settings).secrets,
    ]


def test_every_secret_is_the_callers(place):
    given = load_settings(place | GIVEN)
    assert secrets_of(given) == [
        ["a-key-of-the-caller"],
        "an-api-key-of-the-caller",
        ["a-signing-secret-of-the-caller"],
        ["a-signing-secret-of-the-caller"],
        ["a-token-of-the-caller"],
        ["a-token-of-the-caller"],
        "flower:of-the-caller",
        {"client_id": "a-crm-secret-of-the-caller"},
    ]


def test_what_the_caller_does_not_give_is_not_taken_from_the_process(place):
    bare = load_settings(place)
    with pytest.raises(ConfigurationError, match="no key for personal data"):
        bare.secret_keys()
    assert bare.sending_key() is None
    assert bare.source_secrets("standard_webhooks", "STANDARD_WEBHOOKS_SECRET") == []
    assert bare.source_tokens("another_feed", "FEED_TOKEN") == []
    with pytest.raises(ConfigurationError, match="STANDARD_WEBHOOKS_SECRET is not set"):
        bare.source_secrets("web_form", "UNUSED")
    with pytest.raises(ConfigurationError, match="FEED_TOKEN is not set"):
        bare.source_tokens("json_feed", None)
    with pytest.raises(ConfigurationError, match="CRM_SECRET is not set"):
        connection_to("crm", bare)


def test_a_file_that_holds_a_key_is_the_one_the_caller_names(place, tmp_path, monkeypatch):
    for whose in ("process", "caller"):
        (tmp_path / whose).write_text(f"a-key-in-a-file-of-the-{whose}\n", encoding="utf-8")
    monkeypatch.delenv("AFLUENTE_SECRET_KEYS")
    monkeypatch.setenv("AFLUENTE_SECRET_KEYS_FILE", str(tmp_path / "process"))
    given = load_settings(place | {"AFLUENTE_SECRET_KEYS_FILE": str(tmp_path / "caller")})
    assert given.secret_keys() == ["a-key-in-a-file-of-the-caller"]


def test_printing_the_settings_shows_no_variable(place):
    shown = repr(load_settings(place | GIVEN))
    assert [text for text in GIVEN.values() if text.rpartition(":")[2] in shown] == []
