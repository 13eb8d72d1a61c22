"""References to secrets in stores, read over real sockets: what is had, what is kept, and what errors say."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline.errors import ConfigurationError
from pipeline.settings.secrets import is_reference, reference, references, values_of
from pipeline.settings.stores.found import FoundSecret
from pipeline.settings.stores.kept import OVERLAP_SECONDS, REFRESH_SECONDS, SecretKeeper, secret_keeper
from tests.support.http_server import serving_http
from tests.support.intake_server import free_port
from tests.support.secret_stores import azure_answer, gcp_answer, playing_vault
from tests.support.services import forget_caches


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    forget_caches()
    yield
    forget_caches()


def await_that(is_so, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    "text",
    [
        "vault:secret/crm#token",
        "vault:secret/teams/crm#token@3",
        "aws:prod/crm#token",
        "aws:arn:aws:secretsmanager:eu-west-1:123456789012:secret:crm-a1B2#token@AWSPREVIOUS",
        "azure:shop/crm-token",
        "azure:shop/crm-token@0b5f",
        "gcp:shop-1/crm",
        "gcp:shop-1/crm@7",
    ],
)
def test_each_store_s_reference_is_understood(text):
    assert is_reference(text)
    assert reference(text, "here").text == text


@pytest.mark.parametrize("text", ["vault:secret", "vault:secret/crm", "aws:crm", "azure:crm-token", "gcp:/crm"])
def test_a_reference_that_names_nothing_there_is_refused_with_the_form(text):
    with pytest.raises(ConfigurationError, match=r"^sources\.shop\.secret: .* is not followed by .*: \w+:"):
        reference(text, "sources.shop.secret")


def test_a_value_of_vault_comes_with_its_version_and_end():
    with playing_vault() as (vault, env):
        vault.put("secret/teams/crm", token="v-1", other="x")
        vault.metadata = {"expires_at": "2031-05-01"}
        assert reference("vault:secret/teams/crm#token", "").resolve(env) == "v-1"
        (standing,) = secret_keeper().standings()
        assert (standing.version, standing.expires_at.year, standing.trouble) == ("1", 2031, None)
        assert vault.calls[0].path == "/v1/secret/data/teams/crm"
        reference("vault:secret/teams/crm#token@1", "").resolve(env)
        assert vault.calls[1].path == "/v1/secret/data/teams/crm?version=1"


def test_a_token_file_is_read_again_at_every_use(tmp_path):
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="v-1")
        file = tmp_path / "token"
        file.write_text("renewed-by-an-agent\n")
        by_file = {"VAULT_ADDR": env["VAULT_ADDR"], "VAULT_TOKEN_FILE": str(file), "VAULT_NAMESPACE": "shops"}
        vault.tokens = {"another"}
        with pytest.raises(ConfigurationError, match="403"):
            reference("vault:secret/crm#token", "").resolve(by_file)
        file.write_text("another\n")
        assert reference("vault:secret/crm#token", "").renew(by_file)
        assert reference("vault:secret/crm#token", "").resolve(by_file) == "v-1"
        assert {call.headers["X-Vault-Namespace"] for call in vault.calls} == {"shops"}


@pytest.mark.parametrize("proof", ["AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"])
def test_azure_lets_in_an_application_and_gives_a_secret(tmp_path, proof):
    (tmp_path / "token").write_text("proof")
    with serving_http(azure_answer, methods=("GET", "POST")) as url:
        env = {
            "AZURE_TENANT_ID": "tenant-1",
            "AZURE_CLIENT_ID": "client-1",
            "AZURE_AUTHORITY_HOST": url,
            "AZURE_KEY_VAULT_URL": url,
            proof: "proof" if proof == "AZURE_CLIENT_SECRET" else str(tmp_path / "token"),
        }
        assert reference("azure:shop/crm-token", "").resolve(env) == "azure-value-0b5f"
        assert reference("azure:shop/crm-token@9c1d", "").resolve(env) == "azure-value-9c1d"
        by_reference = {standing.reference: standing for standing in secret_keeper().standings()}
        assert by_reference["azure:shop/crm-token"].expires_at.year == 2030
        with pytest.raises(ConfigurationError, match="switched off"):
            reference("azure:shop/crm-token@dead", "").resolve(env)
        with pytest.raises(ConfigurationError, match="401") as caught:
            reference("azure:shop/crm-token", "").resolve({**env, "AZURE_CLIENT_ID": "client-2"})
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("way", ["key file", "machine"])
def test_google_lets_in_a_service_account_or_a_machine(tmp_path, way):
    with serving_http(gcp_answer, methods=("GET", "POST")) as url:
        env = {"GCP_SECRET_MANAGER_URL": url, "GCE_METADATA_HOST": url.removeprefix("http://")}
        if way == "key file":
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            account = {"type": "service_account", "client_email": "a@example.org", "token_uri": f"{url}/token"}
            (tmp_path / "key.json").write_text(json.dumps({**account, "private_key": pem.decode()}))
            env["GOOGLE_APPLICATION_CREDENTIALS"] = str(tmp_path / "key.json")
        assert reference("gcp:shop-1/crm", "").resolve(env) == "gcp-value-7"
        assert reference("gcp:shop-1/crm@3", "").resolve(env) == "gcp-value-3"


def test_who_has_a_value_goes_on_with_it_while_the_store_is_away(monkeypatch):
    monkeypatch.setattr("pipeline.settings.stores.kept._RENEWAL_SECONDS", 0.0)
    place = reference("vault:secret/crm#token", "")
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="v-1")
        assert place.resolve(env) == "v-1"
        for status in (503, 500, 403, 404):
            vault.status = status
            assert not place.renew(env)
            assert place.resolve(env) == "v-1"
        assert len(vault.calls) == 5
    (standing,) = secret_keeper().standings()
    assert standing.trouble is not None
    assert place.resolve(env) == "v-1"  # nobody listens there any more


def test_an_error_names_the_reference_and_neither_value_nor_answer(caplog):
    caplog.set_level(logging.DEBUG)
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="MARKED-VALUE")
        place = reference("vault:secret/crm#token", "")
        place.resolve(env)
        vault.put("secret/crm", other="MARKED-VALUE")
        place.renew(env)
        for status in (400, 403, 404, 503):
            vault.status = status
            with pytest.raises(ConfigurationError, match="vault:secret/other#token") as caught:
                reference("vault:secret/other#token", "").resolve({**env, "VAULT_NAMESPACE": str(status)})
            assert "SECRET" not in str(caught.value)
    assert "MARKED-VALUE" not in caplog.text + repr(secret_keeper().standings()) + repr(vars(secret_keeper()))
    assert "SECRET of" not in caplog.text


def test_of_two_references_the_one_that_can_be_read_is_enough():
    with playing_vault() as (vault, env):
        vault.put("secret/crm", new="v-2")
        both = references(["vault:secret/crm#new", "vault:secret/gone#old"], "here")
        assert values_of(both, env) == ["v-2"]
        with pytest.raises(ConfigurationError, match="NO_SUCH"):
            values_of(references(["vault:secret/crm#new", "env:NO_SUCH"], "here"), env)


def test_in_an_event_loop_nobody_waits_for_a_store():
    async def ask(place, env):
        begun = time.monotonic()
        with pytest.raises(ConfigurationError, match="being read for the first time"):
            place.resolve(env)
        waited = time.monotonic() - begun
        while True:
            try:
                return waited, place.resolve(env)
            except ConfigurationError:
                await asyncio.sleep(0.02)

    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="v-1")
        vault.pause_seconds = 0.5
        waited, value = asyncio.run(ask(reference("vault:secret/crm#token", ""), env))
    assert waited < vault.pause_seconds
    assert value == "v-1"


def test_a_value_that_grows_old_is_given_at_once_and_read_again_beside():
    now = [0.0]
    keeper = SecretKeeper(clock=lambda: now[0])
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="v-1")
        source = reference("vault:secret/crm#token", "")._source(env)
        assert keeper.values(*source, is_near=False) == ["v-1"]
        vault.put("secret/crm", token="v-2")
        now[0] = REFRESH_SECONDS / 2
        assert keeper.values(*source, is_near=False) == ["v-1"]
        assert len(vault.calls) == 1
        now[0] = REFRESH_SECONDS + 1
        assert keeper.values(*source, is_near=False) == ["v-1"]
        await_that(lambda: keeper.values(*source, is_near=False) == ["v-2", "v-1"])
        assert len(vault.calls) == 2
        now[0] += OVERLAP_SECONDS
        assert keeper.values(*source, is_near=False) == ["v-2"]


def test_half_of_a_lease_is_the_longest_that_a_value_is_kept_unasked():
    now = [0.0]
    keeper = SecretKeeper(clock=lambda: now[0])
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="v-1")
        vault.lease_seconds = 60
        source = reference("vault:secret/crm#token", "")._source(env)
        keeper.values(*source, is_near=False)
        now[0] = 31.0
        keeper.values(*source, is_near=False)
        await_that(lambda: len(vault.calls) == 2)


def test_strangers_make_a_store_be_asked_once_a_minute_at_most():
    now = [0.0]
    keeper = SecretKeeper(clock=lambda: now[0])
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="v-1")
        source = reference("vault:secret/crm#token", "")._source(env)
        keeper.values(*source, is_near=False)
        assert [keeper.renew(*source) for _ in range(50)] == [False] * 50
        assert len(vault.calls) == 2
        vault.put("secret/crm", token="v-2")
        now[0] = 61.0
        assert keeper.renew(*source)
        assert not keeper.renew(*source)
        assert len(vault.calls) == 3


def test_a_store_that_hangs_is_asked_by_one_thread_whoever_waits():
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="v-1")
        vault.pause_seconds = 0.3
        place, found = reference("vault:secret/crm#token", ""), []
        readers = [threading.Thread(target=lambda: found.append(place.resolve(env))) for _ in range(8)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert found == ["v-1"] * 8
        assert len(vault.calls) == 1


def test_a_child_has_what_its_parent_had_though_the_store_is_gone():
    place = reference("vault:secret/crm#token", "")
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="v-1")
        place.resolve(env)
    out, inside = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(inside, place.resolve(env).encode())
        place.renew(env)
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(out, 100) == b"v-1"


def test_a_file_that_is_replaced_counts_at_once_beside_the_former_and_one_that_vanishes_goes_on(tmp_path):
    file = tmp_path / "secret"
    file.write_text("first\n")
    place = reference(f"file:{file}", "")
    assert place.values({}) == ["first"]
    file.write_text("second\n")
    assert place.values({}) == ["second", "first"]
    assert place.resolve({}) == "second"
    file.unlink()
    assert place.resolve({}) == "second"
    assert secret_keeper().standings()[0].trouble is not None


def test_a_fault_in_reading_one_secret_ends_the_reading_of_none(caplog):
    now, answers = [0.0], []
    keeper = SecretKeeper(clock=lambda: now[0])

    def fetch():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return FoundSecret(answer, datetime.now(UTC))

    answers[:] = ["MARKED", ValueError("MARKED"), "second"]
    source = ("vault:secret/crm#token", "", fetch)
    assert keeper.values(*source, is_near=False) == ["MARKED"]
    now[0] += REFRESH_SECONDS + 1
    assert keeper.values(*source, is_near=False) == ["MARKED"]
    await_that(lambda: "ValueError at" in (keeper.standings()[0].trouble or ""))
    assert "MARKED" not in keeper.standings()[0].trouble
    now[0] += REFRESH_SECONDS + 1
    await_that(lambda: keeper.values(*source, is_near=False) == ["second", "MARKED"])


@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_secret_is_none(value):
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token=value)
        with pytest.raises(ConfigurationError, match="the secret vault:secret/crm#token is empty"):
            reference("vault:secret/crm#token", "").resolve(env)


def test_aws_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigurationError, match=r"aws:prod/crm#token: install what reads it: .*afluente\[aws\]"):
        reference("aws:prod/crm#token", "").resolve({})


def test_a_store_that_was_never_there_says_what_to_set():
    for text, variable in (
        ("vault:secret/crm#token", "VAULT_ADDR"),
        ("azure:shop/crm-token", "AZURE_TENANT_ID"),
    ):
        with pytest.raises(ConfigurationError, match=variable):
            reference(text, "").resolve({})
    address = {"VAULT_ADDR": f"http://127.0.0.1:{free_port()}", "VAULT_TOKEN": "x"}
    with pytest.raises(ConfigurationError, match="gives no usable answer"):
        reference("vault:secret/crm#token", "").resolve(address)
