"""What a provider says is kept while it is away, its keys are had anew when they change, and nobody makes us call."""

from __future__ import annotations

import pytest

from pipeline.login.errors import ProviderAwayError, SignInError
from pipeline.login.provider import Provider
from pipeline.settings.sign_in_settings import SignInSettings
from tests.support.played_provider import CLIENT_ID, make_key, played_provider, sign

HOUR, DAY = 3_600, 86_400


@pytest.fixture(name="played")
def _played():
    with played_provider() as provider:
        yield provider


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock():
    return Clock()


@pytest.fixture(name="provider")
def _provider(played, clock):
    return Provider(SignInSettings(issuer=played.issuer, client_id=CLIENT_ID), {}, clock=clock)


def key_calls(played) -> int:
    return played.calls.count("/keys")


def test_keys_are_asked_for_once_an_hour(played, provider, clock):
    for _ in range(3):
        provider.open(sign(played.claims(), played.keys[0]))
    assert key_calls(played) == 1
    clock.now += HOUR + 1
    provider.open(sign(played.claims(), played.keys[0]))
    assert key_calls(played) == 2


def test_a_key_that_was_rotated_a_moment_ago_is_found_at_once(played, provider):
    provider.open(sign(played.claims(), played.keys[0]))
    played.keys.append(make_key("second"))
    assert provider.open(sign(played.claims(sub="bea"), played.keys[1]))["sub"] == "bea"


def test_tokens_of_unknown_keys_make_us_ask_once_a_minute_at_most(played, provider, clock):
    provider.open(sign(played.claims(), played.keys[0]))
    foreign = make_key("third")
    for _ in range(20):
        with pytest.raises(SignInError, match="does not show"):
            provider.open(sign(played.claims(), foreign))
    assert key_calls(played) == 2
    clock.now += 61
    played.keys.append(foreign)
    assert provider.open(sign(played.claims(), foreign))["sub"] == "ana"


def test_a_provider_that_names_no_keys_is_understood(played, provider):
    played.keys = [make_key("first"), make_key("second")]
    assert provider.open(sign(played.claims(), played.keys[1], kid=None))["sub"] == "ana"


@pytest.mark.parametrize(
    "page", [b"<h1>sorry</h1>", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AAAA"}]}']
)
def test_an_error_page_takes_no_keys_place(played, provider, clock, page):
    provider.open(sign(played.claims(), played.keys[0]))
    played.keys_answer = (200, page)
    clock.now += HOUR + 1
    assert provider.open(sign(played.claims(), played.keys[0]))["sub"] == "ana"
    assert provider.trouble
    played.keys_answer = None
    clock.now += 6
    provider.open(sign(played.claims(), played.keys[0]))
    assert provider.trouble == ""


def test_what_is_known_counts_for_a_day_while_the_provider_is_away(played, provider, clock):
    provider.metadata()
    played.is_away = True
    clock.now += DAY - 1
    assert provider.open(sign(played.claims(), played.keys[0]))["sub"] == "ana"
    clock.now += 2
    with pytest.raises(ProviderAwayError, match="answered 503"):
        provider.metadata()


def test_a_provider_that_comes_back_is_found_within_seconds(played, provider, clock):
    played.is_away = True
    for _ in range(5):
        with pytest.raises(ProviderAwayError, match="local administrator"):
            provider.metadata()
    assert len(played.calls) == 1
    played.is_away = False
    clock.now += 6
    assert provider.metadata()["issuer"] == played.issuer


def test_a_provider_that_says_another_name_is_refused(played, clock):
    provider = Provider(SignInSettings(issuer=f"{played.issuer}/", client_id=CLIENT_ID), {}, clock=clock)
    with pytest.raises(ProviderAwayError, match="letter by letter"):
        provider.metadata()


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"])
@pytest.mark.parametrize("address", ["javascript:alert(1)", "file:///etc/passwd", "", 7])
def test_addresses_that_cannot_be_called_are_refused(played, provider, name, address):
    played.metadata = {name: address}
    with pytest.raises(ProviderAwayError, match=name):
        provider.metadata()
