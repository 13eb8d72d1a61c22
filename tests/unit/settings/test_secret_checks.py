"""What doctor and the start say of secrets: files others can read, keys that can be guessed, one key under two names"""

from __future__ import annotations

import dataclasses
import socket

import pytest

from connectors.kit import sources
from pipeline.errors import ConfigurationError
from pipeline.health.secret_checks import check_secrets
from pipeline.health.start_checks import find_start_troubles
from pipeline.settings.installation import ensure_credentials
from pipeline.settings.loading import load_settings
from tests.support.services import forget_caches

GOOD = "0123456789abcdefGHIJ"


@pytest.fixture
def failing(tmp_path):
    """Names and texts of what fails, with these variables and this settings file."""
    (tmp_path / "data").mkdir(mode=0o755)
    ensure_credentials(tmp_path / "data", [])

    def find(text: str = "{}", **variables: str) -> list[str]:
        (tmp_path / "afluente.yaml").write_text(text)
        place = {"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml"), "AFLUENTE_DATA": str(tmp_path / "data")}
        known = load_settings(place | variables)
        return [f"{check.name}: {check.detail} | {check.remedy}" for check in check_secrets(known) if not check.ok]

    return find


def test_an_installation_as_it_is_made_has_nothing_to_settle(failing):
    assert failing() == []
    assert failing(AFLUENTE_API_KEYS=f"a:admin:{GOOD},b:ingest:{GOOD}2", AFLUENTE_SECRET_KEYS=GOOD) == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_keys_that_other_accounts_can_read_are_told_with_the_command_that_closes_them(failing, tmp_path, mode):
    (tmp_path / "data" / "credentials.json").chmod(mode)
    (found,) = failing()
    assert f"has mode {mode:04o}: other accounts can read the keys" in found
    assert found.endswith(f"chmod go= {tmp_path / 'data' / 'credentials.json'}")


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o702])
def test_a_data_folder_that_other_accounts_can_write_is_told(failing, tmp_path, mode):
    (tmp_path / "data").chmod(mode)
    (found,) = failing()
    assert f"{tmp_path / 'data'} has mode {mode:04o}: other accounts can change" in found


@pytest.mark.parametrize("key", ["x", "secret", "0123456789abcde"])
def test_a_key_that_can_be_guessed_is_told_by_its_name_and_not_repeated(failing, key):
    (found,) = failing(AFLUENTE_API_KEYS=f"shop:ingest:{key},other:admin:{GOOD}")
    assert found.startswith("API keys: shorter than 16 characters: shop |")
    assert key not in found.partition("shop")[2].partition("|")[0]
    assert "key length: key 2 for personal data" in failing(AFLUENTE_SECRET_KEYS=f"{GOOD},{key}")[0]


def test_one_key_under_two_names_or_roles_is_told(failing):
    (found,) = failing(AFLUENTE_API_KEYS=f"shop:ingest:{GOOD},boss:admin:{GOOD}")
    assert found.startswith("API keys: shop (ingest) and boss (admin) are one and the same key")
    assert len(failing(AFLUENTE_API_KEYS="shop:ingest:x,boss:admin:x")) == 2, "too short, and twice"


@pytest.mark.parametrize(("text", "said"), [("", "not set"), ("nocolon", "user:password"), ("u:", "user:password"),
                                            (":pppppppp", "user:password"), ("u:short", "shorter")])  # fmt: skip
def test_flowers_login_is_looked_at(failing, text, said):
    (found,) = failing("flower: {auth: env:MY_FLOWER}", MY_FLOWER=text)
    assert said in found
    assert failing("flower: {auth: env:MY_FLOWER}", MY_FLOWER="user:long-enough") == []


def test_a_secret_file_that_is_empty_or_no_text_is_told_and_never_taken_for_a_secret(failing, tmp_path):
    for content, said in ((b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is no text")):
        (tmp_path / "secret").write_bytes(content)
        (tmp_path / "afluente.yaml").write_text(
            f"sources: {{standard_webhooks: {{secret: 'file:{tmp_path / 'secret'}'}}}}"
        )
        known = load_settings(
            {"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml"), "AFLUENTE_DATA": str(tmp_path / "data")}
        )
        with pytest.raises(ConfigurationError, match=said):
            known.source_secrets("standard_webhooks", "UNUSED")
        assert any(said in trouble and "standard_webhooks" in trouble for trouble in find_start_troubles(known))


def test_the_start_warns_of_unknown_sources_and_unset_secrets(tmp_path):
    (tmp_path / "afluente.yaml").write_text(
        "sources: {web_from: {}, json_feed: {url: 'https://feed.example', token: env:ACME_TOKEN}}\n"
        "destinations: {crm: {kind: salesforce, base_url: 'https://crm.example', secrets: {client_id: env:CRM_ID}}}\n"
    )
    known = load_settings({"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml"), "AFLUENTE_DATA": str(tmp_path / "data")})
    troubles = "\n".join(find_start_troubles(known))
    for trouble in ("there is no connector 'web_from'", "ACME_TOKEN is not set", "CRM_ID is not set"):
        assert trouble in troubles


@pytest.fixture
def database(monkeypatch):
    """One that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("AFLUENTE_DATABASE_URL", f"postgresql://nobody@{address}/none?connect_timeout=2")
        forget_caches()
        yield server
    forget_caches()


def test_the_start_asks_neither_the_database_nor_a_feed_and_warns_of_no_source_that_may_work(
    tmp_path, monkeypatch, database
):
    """PostgreSQL and the sandbox do not run yet: whoever asked them would only find that."""
    (tmp_path / "afluente.yaml").write_text("sources: {json_feed: {}, meta_lead_ads: {}}")
    place = {"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml"), "AFLUENTE_DATA": str(tmp_path / "data")}
    for name in ("APP_SECRET", "VERIFY_TOKEN", "TOKEN"):
        place[f"META_LEAD_ADS_{name}"] = GOOD
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    troubles = find_start_troubles(load_settings(place))
    assert not [trouble for trouble in troubles if "json_feed" in trouble or "meta_lead_ads" in trouble]
    assert asked == []
    database.setblocking(False)
    with pytest.raises(BlockingIOError):
        database.accept()


def test_the_start_warns_of_a_source_that_is_not_polled_or_gives_nothing_without_its_token(tmp_path, monkeypatch):
    demanding = dataclasses.replace(
        sources()["json_feed"],
        intake=dataclasses.replace(sources()["json_feed"].intake, token_required=True),
    )
    monkeypatch.setattr("pipeline.health.connector_checks.sources", lambda: {"json_feed": demanding})
    text = "sources: {json_feed: {url: 'https://feed.example'}, brandless: {connector: json_feed}}\n"
    (tmp_path / "afluente.yaml").write_text(
        text + "destinations: {crm: {kind: salesforce, base_url: 'https://crm.example'}}\n"
    )
    known = load_settings({"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml"), "AFLUENTE_DATA": str(tmp_path / "data")})
    troubles = "\n".join(find_start_troubles(known))
    assert "source brandless: is not polled: it has no address: set sources.brandless.url" in troubles
    assert "source json_feed: has no token, and gives nothing without one; set JSON_FEED_TOKEN" in troubles
