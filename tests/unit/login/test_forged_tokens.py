"""A provider's tokens count only as it signed them for us: each claim wrong by itself, each way to forge one."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest
from joserfc.jwk import ECKey, RSAKey

from pipeline.login.errors import SignInError
from pipeline.login.tokens import check_id_token, check_logout_token, open_token, read_keys
from tests.support.played_provider import CLIENT_ID, LOGOUT, encode, make_key, sign

ISSUER = "https://login.example.org/main"
NONCE = "of-this-sign-in"
NOW = int(time.time())
KEY, FOREIGN = make_key("first"), make_key("first")
SHOWN = {"keys": [KEY.as_dict(private=False)]}
ID = {"iss": ISSUER, "aud": CLIENT_ID, "sub": "ana", "nonce": NONCE, "iat": NOW, "exp": NOW + 300}
OUT = {"iss": ISSUER, "aud": CLIENT_ID, "sub": "ana", "iat": NOW, "exp": NOW + 60, "jti": "1", "events": {LOGOUT: {}}}


def refusal(work, *arguments, **named) -> str:
    with pytest.raises(SignInError) as caught:
        work(*arguments, **named)
    return caught.value.code


def check(claims, *, after=None):
    check_id_token(claims, issuer=ISSUER, client_id=CLIENT_ID, nonce=NONCE, now=float(NOW), authenticated_after=after)


def check_out(claims):
    check_logout_token(claims, issuer=ISSUER, client_id=CLIENT_ID, now=float(NOW))


def without(claims, name):
    return {key: value for key, value in claims.items() if key != name}


def test_what_the_provider_signed_is_opened():
    assert open_token(sign(ID, KEY), read_keys(SHOWN)) == ID
    check(ID)
    check_out(OUT)


@pytest.mark.parametrize(
    ("kind", "curve", "alg"), [("EC", "P-256", "ES256"), ("EC", "P-384", "ES384"), ("EC", "P-521", "ES512")]
)
def test_keys_of_each_curve_open_their_own_algorithm(kind, curve, alg):
    key = ECKey.generate_key(curve, {"kid": "curved"})
    assert open_token(sign(ID, key, alg=alg), read_keys({"keys": [key.as_dict(private=False)]})) == ID


def test_a_token_without_a_signature_is_refused():
    for alg in ("none", "None", "NONE"):
        forged = f"{encode({'alg': alg, 'kid': 'first'})}.{encode(ID)}."
        assert refusal(open_token, forged, read_keys(SHOWN)) == "algorithm_refused"


def test_a_code_made_with_the_public_key_is_no_signature():
    public = KEY.as_pem(private=False)
    for secret in (public, public.strip(), KEY.as_dict(private=False)["n"].encode(), b"client-secret"):
        signed = f"{encode({'alg': 'HS256', 'kid': 'first'})}.{encode(ID)}"
        code = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        assert refusal(open_token, f"{signed}.{encode(code)}", read_keys(SHOWN)) == "algorithm_refused"


def test_a_key_of_the_same_name_that_is_not_the_providers_opens_nothing():
    assert refusal(open_token, sign(ID, FOREIGN), read_keys(SHOWN)) == "signature_wrong"


def test_a_key_in_the_tokens_own_header_is_not_believed():
    forged = sign(ID, FOREIGN, jwk=FOREIGN.as_dict(private=False))
    assert refusal(open_token, forged, read_keys(SHOWN)) == "signature_wrong"


def test_a_token_whose_content_was_exchanged_is_refused():
    head, _, signature = sign(ID, KEY).split(".")
    assert (
        refusal(open_token, f"{head}.{encode({**ID, 'sub': 'bea'})}.{signature}", read_keys(SHOWN)) == "signature_wrong"
    )


def test_an_algorithm_that_the_key_is_not_for_is_refused():
    any_algorithm = RSAKey.import_key(
        {name: KEY.as_dict(private=True)[name] for name in ["kty", "n", "e", "d", "p", "q", "dp", "dq", "qi"]}
    )
    forged = sign(ID, any_algorithm, alg="RS384", kid="first")
    assert refusal(open_token, forged, read_keys(SHOWN)) == "signature_wrong"


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "ä.b.c", "x" * 300_000, f"{encode([])}.{encode(ID)}.x"])
def test_what_is_no_token_is_refused(token):
    assert refusal(open_token, token, read_keys(SHOWN)) == "token_unreadable"


def test_keys_that_could_be_guessed_or_are_for_encryption_are_passed_over():
    shown = [
        {"kty": "oct", "k": encode(b"a shared secret that anybody knows")},
        {**KEY.as_dict(private=False), "use": "enc"},
        {"kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {**KEY.as_dict(private=False), "alg": "HS256"},
        "no key",
    ]
    assert read_keys({"keys": shown}) == []
    for wrong in (None, [], "", {"keys": None}, {"keys": {}}):
        assert read_keys(wrong) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iss": f"{ISSUER}/"}, "wrong_iss"),
        ({"iss": "https://login.example.com/main"}, "wrong_iss"),
        ({"aud": "another"}, "wrong_aud"),
        ({"aud": ["another"]}, "wrong_aud"),
        ({"aud": {"afluente": 1}}, "wrong_aud"),
        ({"aud": ["another", CLIENT_ID]}, "wrong_azp"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "wrong_azp"),
        ({"azp": "another"}, "wrong_azp"),
        ({"exp": NOW - 61}, "wrong_exp"),
        ({"exp": str(NOW + 300)}, "wrong_exp"),
        ({"exp": True}, "wrong_exp"),
        ({"iat": NOW + 120}, "wrong_iat"),
        ({"nbf": NOW + 120}, "wrong_nbf"),
        ({"nonce": "of-another-sign-in"}, "wrong_nonce"),
        ({"nonce": ["of-this-sign-in"]}, "wrong_nonce"),
        ({"sub": ""}, "wrong_sub"),
        ({"sub": 7}, "wrong_sub"),
    ],
)
def test_each_claim_of_an_id_token_has_to_be_right(change, code):
    assert refusal(check, {**ID, **change}) == code


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat", "nonce", "sub"])
def test_no_claim_of_an_id_token_may_be_missing(name):
    assert refusal(check, without(ID, name)) == f"wrong_{name}"


def test_several_audiences_are_taken_if_the_token_says_that_it_is_for_us():
    check({**ID, "aud": ["another", CLIENT_ID], "azp": CLIENT_ID})


def test_whoever_should_prove_it_once_more_is_refused_on_an_old_proof():
    check({**ID, "auth_time": NOW}, after=float(NOW))
    assert refusal(check, {**ID, "auth_time": NOW - 3_600}, after=float(NOW)) == "wrong_auth_time"
    assert refusal(check, ID, after=float(NOW)) == "wrong_auth_time"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iss": "https://login.example.com/main"}, "wrong_iss"),
        ({"aud": "another"}, "wrong_aud"),
        ({"iat": NOW - 601}, "wrong_iat"),
        ({"exp": NOW - 61}, "wrong_exp"),
        ({"events": {}}, "wrong_events"),
        ({"events": {LOGOUT: None}}, "wrong_events"),
        ({"events": [LOGOUT]}, "wrong_events"),
        ({"nonce": NONCE}, "wrong_nonce"),
        ({"nonce": None}, "wrong_nonce"),
        ({"jti": None}, "wrong_jti"),
        ({"sub": None}, "wrong_sub"),
        ({"sub": None, "sid": ""}, "wrong_sub"),
        ({"sid": 5}, "wrong_sub"),
    ],
)
def test_each_claim_of_a_logout_token_has_to_be_right(change, code):
    assert refusal(check_out, {**OUT, **change}) == code


def test_a_logout_token_may_name_a_session_alone():
    check_out({**without(OUT, "sub"), "sid": "s-1"})


def test_an_id_token_is_no_logout_token():
    assert refusal(check_out, {**ID, "jti": "1"}) == "wrong_events"


def test_no_refusal_repeats_what_the_token_said():
    with pytest.raises(SignInError) as caught:
        check({**ID, "iss": "https://ana.sample.example.org"})
    assert "sample" not in json.dumps(str(caught.value))
