"""Secrets of a source by their declared name: per brand, two at once, for what it proves and for what we show it."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings.loading import load_settings

VALUES = {"A": "a", "B": "b", "C": "c", "D": "d"}


def known(tmp_path, source, **environ):
    path = tmp_path / "afluente.yaml"
    path.write_text(f"brands: {{casa: {{}}, otra: {{}}}}\nsources: {{feed: {source}}}\n")
    return load_settings({"AFLUENTE_CONFIG": str(path), **VALUES, **environ}, data=tmp_path / "data")


@pytest.mark.parametrize("brand", ["casa", "otra"])
@pytest.mark.parametrize(
    ("source", "of_casa", "of_otra"),
    [
        ("{secrets: {FEED_KEY: 'env:A'}}", ["a"], ["a"]),
        ("{secrets: {FEED_KEY: ['env:A', 'env:B']}}", ["a", "b"], ["a", "b"]),
        ("{secrets: {FEED_KEY: {casa: ['env:A', 'env:B'], otra: 'env:C'}}}", ["a", "b"], ["c"]),
        ("{secrets: {FEED_KEY: {casa: 'env:A'}}}", ["a"], ["new", "old"]),
        ("{}", ["new", "old"], ["new", "old"]),
    ],
)
def test_a_declared_secret_is_found_by_name_and_brand(tmp_path, source, of_casa, of_otra, brand):
    settings = known(tmp_path, source, FEED_KEY="new, old")
    wanted = of_casa if brand == "casa" else of_otra
    assert settings.source_secrets("feed", "FEED_KEY", signs=False, brand=brand) == wanted
    assert settings.source_secrets("feed", "FEED_KEY", signs=True, brand=brand) == wanted
    assert settings.source_tokens("feed", "FEED_KEY", brand=brand) == wanted


def test_a_token_may_be_two_and_gives_way_to_the_secret_s_own_name(tmp_path):
    assert known(tmp_path, "{token: ['env:A', 'env:B']}").source_tokens("feed", "FEED_KEY") == ["a", "b"]
    assert known(tmp_path, "{token: 'env:A'}", FEED_KEY="x").source_tokens("feed", "FEED_KEY") == ["a"]
    named = known(tmp_path, "{token: 'env:A', secrets: {FEED_KEY: 'env:B'}}")
    assert named.source_tokens("feed", "FEED_KEY") == ["b"]
    assert named.source_tokens("feed", None) == ["a"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{secrets: {FEED_KEY: {cassa: 'env:A'}}}", r"sources\.feed\.secrets\.FEED_KEY\.cassa.*not among brands"),
        ("{secrets: {casa: {otra: 'env:A'}}}", r"sources\.feed\.secrets\.casa.*the signing secret itself"),
        ("{secrets: {FEED_KEY: {casa: s3cret}}}", r"sources\.feed\.secrets\.FEED_KEY\.casa.*must be a reference"),
        ("{secrets: {FEED_KEY: {casa: [s3cret]}}}", r"sources\.feed\.secrets\.FEED_KEY\.casa.*must be a reference"),
        ("{token: [s3cret]}", r"sources\.feed\.token.*must be a reference"),
    ],
)
def test_a_secret_in_a_wrong_place_is_refused_and_not_shown(tmp_path, source, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        known(tmp_path, source)
    assert "s3cret" not in str(caught.value)


def test_a_reference_that_leads_nowhere_is_named(tmp_path):
    settings = known(tmp_path, "{secrets: {FEED_KEY: {casa: 'env:NOT_SET'}}}")
    with pytest.raises(ConfigurationError, match="NOT_SET is not set"):
        settings.source_secrets("feed", "FEED_KEY", signs=False, brand="casa")
