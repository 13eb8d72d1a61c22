"""API keys as they are set: with and without brands, and with colons in the key itself."""

from __future__ import annotations

import hashlib

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings.loading import load_settings

CONFIG = "brands: {default: {}, casa: {}}\n"


def settings_with(keys: str, tmp_path, config: str = CONFIG):
    path = tmp_path / "afluente.yaml"
    path.write_text(config)
    return load_settings({"AFLUENTE_API_KEYS": keys, "AFLUENTE_CONFIG": str(path)}, data=tmp_path / "data")


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


@pytest.mark.parametrize(
    ("entry", "key", "brands"),
    [
        ("site:ingest:abc", "abc", ()),
        ("site:ingest:abc:casa", "abc", ("casa",)),
        ("site:ingest:abc:casa+default", "abc", ("casa", "default")),
        ("site:ingest:a:b:c", "a:b:c", ()),
        ("site:ingest:a:b:casa", "a:b", ("casa",)),
        ("site:ingest:casa", "casa", ()),  # a key that is called like a brand is a key
        ("site:ingest:abc:csa", "abc:csa", ()),  # a misspelled brand makes another key, which opens nothing
        ("site:ingest:abc:casa+csa", "abc:casa+csa", ()),
    ],
)
def test_a_key_may_be_followed_by_the_brands_it_serves(entry, key, brands, tmp_path):
    (found,) = settings_with(entry, tmp_path).api_keys
    assert (found.name, found.role, found.digest, found.brands) == ("site", "ingest", digest(key), brands)
    assert found.allows("casa") == (not brands or "casa" in brands)


def test_the_key_that_sends_rehearsals_is_one_for_all_brands_where_there_is_one(tmp_path):
    assert settings_with("a:viewer:v,b:ingest:bound:casa,c:ingest:free", tmp_path).sending_key() == "free"
    assert settings_with("a:viewer:v,b:ingest:bound:casa", tmp_path).sending_key() == "bound"


@pytest.mark.parametrize("entry", ["site", "site:ingest", "site:ingest:", "site:owner:abc", ":ingest:abc"])
def test_an_entry_that_is_no_key_is_named_by_its_place_and_not_shown(entry, tmp_path):
    with pytest.raises(ConfigurationError, match="entry 2 must read name:role:key") as caught:
        settings_with(f"a:admin:b,{entry}", tmp_path)
    assert "abc" not in str(caught.value)


def test_a_source_s_secret_of_a_brand_comes_before_the_one_of_the_source(tmp_path):
    path = tmp_path / "afluente.yaml"
    path.write_text(CONFIG + "sources: {hooks: {secret: 'env:ALL', secrets: {casa: ['env:CASA', 'env:CASA_OLD']}}}\n")
    env = {"AFLUENTE_CONFIG": str(path), "ALL": "all", "CASA": "new", "CASA_OLD": "old"}
    settings = load_settings(env, data=tmp_path / "data")
    assert settings.source_secrets("hooks", "X", brand="casa") == ["new", "old"]
    assert settings.source_secrets("hooks", "X", brand="default") == ["all"]
    assert settings.source_secrets("hooks", "X") == ["all"]


@pytest.mark.parametrize(
    ("secrets", "message"),
    [("{csa: 'env:A'}", "csa: is neither a brand"), ("{casa: literal}", r"sources\.hooks\.secrets\.casa.*reference")],
)
def test_a_secret_of_a_brand_that_is_not_there_or_that_stands_in_the_file_is_refused(secrets, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message):
        settings_with("", tmp_path, CONFIG + f"sources: {{hooks: {{secrets: {secrets}}}}}\n")
