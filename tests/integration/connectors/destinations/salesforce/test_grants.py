"""How Salesforce lets us in: a signed assertion, a refresh token; where the account lives; what a refusal means."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from connectors.kit import ConfigurationError, TerminalError
from tests.support.scripted_crm import UPSERT, batch, good, said, write, writer

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
USER = "integration@example.org"


def pem(key=KEY, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


def public():
    return KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def by_assertion(url, *, client_id="sandbox", key=None, **options):
    secrets = {"client_id": client_id, "private_key": key or pem()}
    return writer(url, secrets=secrets, options={"username": USER, **options})


def test_a_signed_assertion_lets_the_user_in_and_names_the_app_the_user_and_the_login_server(sandbox):
    sandbox.dialect.grants.public_key = public()
    sandbox.dialect.grants.users = {USER}
    assert by_assertion(sandbox.address).write(batch(2))[1].state == "written"


def test_the_assertion_holds_what_salesforce_reads_and_no_secret(server):
    secrets = {"client_id": "app", "private_key": pem()}
    write(server, said({"access_token": "t"}), said([good()]), secrets=secrets, options={"username": USER})
    form = dict(part.split("=") for part in server.asked[0]["body"].decode().split("&"))
    assert sorted(form) == ["assertion", "grant_type"]
    claims = form["assertion"].split(".")[1]
    read = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert read == {"iss": "app", "sub": USER, "aud": "https://login.salesforce.com", "exp": read["exp"]}


def test_a_key_whose_line_ends_were_written_as_two_signs_is_read(sandbox):
    sandbox.dialect.grants.public_key = public()
    assert by_assertion(sandbox.address, key=pem().replace("\n", "\\n")).write(batch(1))[0].state == "written"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"client_id": "another"}, "invalid_client_id.*compare client_id with its consumer key"),
        ({"audience": "https://example.org"}, r"invalid_grant.*options\.audience"),
        ({"username": "stranger@example.org"}, "invalid_grant.*pre-authorize the user"),
        ({"key": pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))}, "invalid_grant.*key do not fit"),
    ],
    ids=["app", "audience", "user", "key"],
)
def test_a_refused_assertion_says_what_an_admin_is_to_do_and_no_name(sandbox, wrong, sentence):
    sandbox.dialect.grants.public_key = public()
    sandbox.dialect.grants.users = {USER}
    with pytest.raises(TerminalError, match=sentence) as caught:
        by_assertion(sandbox.address, **wrong).write(batch(1))
    assert "example.org" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("no key", r"secrets\.private_key: the private key cannot be read"),
        (pem(encryption=BestAvailableEncryption(b"x")), "has a passphrase"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "not of RSA"),
    ],
    ids=["text", "passphrase", "elliptic curve"],
)
def test_a_key_that_cannot_sign_is_told_before_any_call(server, key, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        by_assertion(server.url, key=key)
    assert server.asked == []


def test_a_key_without_a_user_is_told_before_any_call(server):
    with pytest.raises(ConfigurationError, match=r"options\.username is not set"):
        writer(server.url, secrets={"client_id": "i", "private_key": pem()})


def test_a_refresh_token_is_traded_in_with_a_client_secret_or_without_one(sandbox):
    for more in ({}, {"client_secret": "sandbox"}):
        secrets = {"client_id": "sandbox", "refresh_token": "sandbox", **more}
        assert writer(sandbox.address, secrets=secrets).write(batch(1))[0].state == "written"
    with pytest.raises(TerminalError, match=r"invalid_grant.*authorize the app again"):
        writer(sandbox.address, secrets={"client_id": "sandbox", "refresh_token": "old"}).write(batch(1))


def test_calls_go_to_the_instance_that_the_token_names(server, sandbox):
    server.script = [said({"access_token": sandbox.dialect._tokens.issue(60), "instance_url": sandbox.address})]
    opened = writer(server.url, secrets={"client_id": "i", "client_secret": "s"})
    (written,) = opened.write(batch(1))
    assert written.state == "written"
    assert set(opened.read(["key-0"])) == {"key-0"}, "questions too"
    assert [call["path"] for call in server.asked] == ["/services/oauth2/token"]


@pytest.mark.parametrize("told", ["http://crm.example.org", "ftp://127.0.0.1", "https://"])
def test_a_token_is_not_sent_to_an_instance_that_is_neither_https_nor_this_machine(server, told):
    answers = said({"access_token": "t", "instance_url": told}), said([good()])
    with pytest.raises(TerminalError, match="instance_url that is not https"):
        write(server, *answers, secrets={"client_id": "i", "client_secret": "s"})
    assert len(server.asked) == 1


def test_an_answer_that_names_no_instance_leaves_the_address_of_the_settings(server):
    write(server, said({"access_token": "t"}), said([good()]), secrets={"client_id": "i", "client_secret": "s"})
    assert server.asked[1]["path"] == UPSERT
