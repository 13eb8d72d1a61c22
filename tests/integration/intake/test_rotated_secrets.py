"""A signing secret that changes where it is kept while webhooks flow: none is lost, and nothing is started again."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as StandardSender

from pipeline.access import destinations
from pipeline.intake.polls import run_poll
from pipeline.settings.loading import load_settings
from pipeline.settings.stores.kept import secret_keeper
from pipeline.store.engine import transaction
from tests.support.http_server import serving_http
from tests.support.intake_server import count_events, running_receiver
from tests.support.secret_stores import needs_moto, needs_openbao, playing_vault, running_moto, running_openbao
from tests.support.services import forget_caches
from tests.support.store_rows import read_cursor

pytestmark = pytest.mark.usefixtures("database")

FIRST, SECOND = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "whsec_c2Vjb25kIHNlY3JldCBvZiB0aGUgdGVzdHM="
WRONG = "whsec_d3Jvbmcgc2VjcmV0IG9mIHRoZSB0ZXN0czEyMw=="


def configured(tmp_path, monkeypatch, secret, env):
    """Settings whose source signs with what is kept there."""
    path = tmp_path / "afluente.yaml"
    path.write_text(f"sources: {{standard_webhooks: {{secret: '{secret}'}}}}\n")
    for name, value in {"AFLUENTE_CONFIG": str(path), **env}.items():
        monkeypatch.setenv(name, value)
    forget_caches()
    return load_settings()


class Sender:
    """Posts one signed message after the other, with whatever secret is the sender's at that moment."""

    def __init__(self, receiver) -> None:
        self.receiver = receiver
        self.secret = FIRST
        self.statuses = []
        self._sent = 0

    def send(self, secret=None):
        self._sent += 1
        message_id, now = f"msg_{self._sent}", time.time()
        body = json.dumps({"type": "lead.created", "data": {"email": f"p{self._sent}@example.org"}})
        moment = datetime.fromtimestamp(now, UTC)
        signature = StandardSender(secret or self.secret).sign(message_id, moment, body)
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": signature,
            "content-type": "application/json",
        }
        answer = self.receiver.post("/in/default/standard_webhooks", data=body, headers=headers)
        self.statuses.append(answer.status_code)
        return answer.status_code

    def keep_sending(self, seconds, meanwhile):
        """`meanwhile` is called once, half-way."""
        begun, is_called = time.monotonic(), False
        while time.monotonic() - begun < seconds:
            if not is_called and time.monotonic() - begun > seconds / 2:
                meanwhile()
                is_called = True
            self.send()


def proofs(receiver):
    lines = receiver.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("afluente_intake_proofs_total")]
    return {line.split('secret="')[1].split('"')[0]: float(line.split()[-1]) for line in found}


def test_the_first_message_signed_with_a_new_secret_is_taken(tmp_path, monkeypatch):
    with playing_vault() as (vault, env):
        vault.put("secret/hooks", signing=FIRST)
        known = configured(tmp_path, monkeypatch, "vault:secret/hooks#signing", env)
        with running_receiver(known) as receiver:
            sender = Sender(receiver)
            assert sender.send() == 200
            vault.put("secret/hooks", signing=SECOND)
            assert sender.send() == 200  # the sender has not changed over
            sender.secret = SECOND
            assert [sender.send() for _ in range(3)] == [200] * 3
            assert sender.send(FIRST) == 200  # was on its way, or is sent again
            assert sender.send(WRONG) == 401
            assert proofs(receiver) == {"newest": 5.0, "older": 1.0}
    assert count_events("standard_webhooks") == 6


def test_a_file_that_is_replaced_counts_at_the_next_message(tmp_path, monkeypatch):
    file = tmp_path / "signing"
    file.write_text(FIRST)
    known = configured(tmp_path, monkeypatch, f"file:{file}", {})
    with running_receiver(known) as receiver:
        sender = Sender(receiver)
        assert sender.send() == 200
        file.write_text(SECOND)
        assert sender.send(SECOND) == 200
        assert sender.send(FIRST) == 200
        assert sender.send(WRONG) == 401


def test_strangers_wait_for_no_store_and_hold_up_no_sender(tmp_path, monkeypatch):
    with playing_vault() as (vault, env):
        vault.put("secret/hooks", signing=FIRST)
        known = configured(tmp_path, monkeypatch, "vault:secret/hooks#signing", env)
        with running_receiver(known) as receiver:
            sender, stranger = Sender(receiver), Sender(receiver)
            assert sender.send() == 200
            vault.pause_seconds = 2.0
            first = threading.Thread(target=stranger.send, args=(WRONG,))
            first.start()
            time.sleep(0.3)
            begun = time.monotonic()
            assert [Sender(receiver).send(FIRST) for _ in range(5)] == [200] * 5
            assert time.monotonic() - begun < vault.pause_seconds / 2
            first.join()
            asked = len(vault.calls)
            assert [stranger.send(WRONG) for _ in range(5)] == [401] * 5
            assert len(vault.calls) == asked


@pytest.mark.long
def test_a_receiver_that_starts_without_its_store_says_so_and_takes_messages_once_it_is_there(tmp_path, monkeypatch):
    with playing_vault() as (vault, env):
        vault.put("secret/hooks", signing=FIRST)
        vault.status = 503
        known = configured(tmp_path, monkeypatch, "vault:secret/hooks#signing", env)
        with running_receiver(known) as receiver:
            sender = Sender(receiver)
            assert sender.send() == 503
            vault.status = None
            deadline = time.monotonic() + 30
            while sender.send() != 200:
                assert time.monotonic() < deadline
                time.sleep(0.5)


def test_a_crm_that_refuses_is_shown_what_its_store_has_by_now_and_then_the_former(tmp_path, monkeypatch):
    path = tmp_path / "afluente.yaml"
    path.write_text(
        "destinations: {crm: {kind: hubspot, base_url: 'https://crm.example.org',"
        " secrets: {token: 'vault:secret/crm#token'}}}\n"
    )
    with playing_vault() as (vault, env):
        vault.put("secret/crm", token="first")
        known = load_settings({"AFLUENTE_CONFIG": str(path), **env}, data=tmp_path)
        assert destinations.secrets_for(known, "crm") == {"token": "first"}
        assert not destinations.has_others(known, "crm")
        secret_keeper.cache_clear()
        destinations.secrets_for(known, "crm")
        vault.put("secret/crm", token="second")
        assert destinations.has_others(known, "crm")
        assert destinations.secrets_for(known, "crm") == {"token": "second"}
        destinations._refused.cache_clear()
        assert destinations.has_others(known, "crm")  # the CRM has not changed over
        assert destinations.secrets_for(known, "crm") == {"token": "first"}
        assert not destinations.has_others(known, "crm")  # both were refused: a human is needed
        assert destinations.secrets_for(known, "crm") == {"token": "second"}


def test_a_polled_source_that_refuses_is_asked_again_at_once_with_what_the_store_has_by_now(tmp_path, monkeypatch):
    shown = []

    def feed(call):
        shown.append(call.headers.get("Authorization"))
        return (200, {}, b'{"leads": []}') if shown[-1] == "Bearer second" else (401, {}, b"")

    with playing_vault() as (vault, env), serving_http(feed) as url:
        vault.put("secret/feed", token="first")
        path = tmp_path / "afluente.yaml"
        path.write_text(f"sources: {{json_feed: {{url: '{url}/feed', token: 'vault:secret/feed#token'}}}}\n")
        for name, value in {"AFLUENTE_CONFIG": str(path), **env}.items():
            monkeypatch.setenv(name, value)
        forget_caches()
        assert run_poll("json_feed", "default", at_once=True).is_terminal
        assert waits_of("json_feed") > 2
        secret_keeper()._kept.clear()
        assert run_poll("json_feed", "default", at_once=True).is_terminal  # keeps what it read
        vault.put("secret/feed", token="second")
        next(iter(secret_keeper()._kept.values())).renewed_at = -60.0  # as if a minute had passed
        assert run_poll("json_feed", "default", at_once=True).is_terminal
        assert waits_of("json_feed") < 2
        assert not run_poll("json_feed", "default", at_once=True).is_terminal
    assert shown == ["Bearer first"] * 3 + ["Bearer second"]


def waits_of(source):
    """Seconds from its last poll to its next."""
    with transaction() as connection:
        known = read_cursor(connection, source)
    return (known.next_run_at - known.last_run_at).total_seconds()


@needs_openbao
@pytest.mark.long
def test_a_rotated_value_of_a_real_store_loses_no_message_and_an_outage_of_it_stops_none(tmp_path, monkeypatch):
    with running_openbao(tmp_path) as bao:
        bao.put("hooks", signing=FIRST)
        token = bao.new_token()
        env = {"VAULT_ADDR": bao.url, "VAULT_TOKEN": token}
        known = configured(tmp_path, monkeypatch, "vault:secret/hooks#signing", env)
        with running_receiver(known) as receiver:
            sender = Sender(receiver)

            def rotate():
                bao.put("hooks", signing=SECOND)
                sender.secret = SECOND

            sender.keep_sending(4.0, rotate)
            assert set(sender.statuses) == {200}
            bao.call("POST", "auth/token/revoke", {"token": token})
            sender.keep_sending(2.0, bao.stop)
            monkeypatch.setattr("pipeline.settings.stores.kept._RENEWAL_SECONDS", 0.0)
            assert sender.send(WRONG) == 401  # asks the store, which is gone
            sender.keep_sending(2.0, lambda: None)
            assert set(sender.statuses) == {200, 401}
            assert sender.statuses.count(401) == 1
            assert (
                'afluente_secret_failing_seconds{reference="vault:secret/hooks#signing"} 0.0'
                not in receiver.get("/metrics").text
            )
    assert count_events("standard_webhooks") == len(sender.statuses) - 1


@needs_openbao
@pytest.mark.long
def test_an_app_role_logs_in_again_when_its_token_is_gone(tmp_path):
    from pipeline.settings.secrets import reference

    forget_caches()
    with running_openbao(tmp_path) as bao:
        bao.put("crm", token="v-1")
        env = {"VAULT_ADDR": bao.url, **bao.new_app_role(token_seconds=2)}
        place = reference("vault:secret/crm#token", "")
        assert place.resolve(env) == "v-1"
        bao.put("crm", token="v-2")
        time.sleep(2.5)  # its token has ended
        assert place.renew(env)
        assert place.values(env) == ["v-2", "v-1"]
        assert reference("vault:secret/crm#token@1", "").resolve(env) == "v-1"


@needs_moto
@pytest.mark.long
def test_a_pending_version_of_aws_counts_once_it_is_current_and_is_in_no_log(tmp_path, caplog):
    import boto3

    from pipeline.settings.secrets import reference

    forget_caches()
    with running_moto(tmp_path) as url:
        env = {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "tests",
        }
        client = boto3.client(
            "secretsmanager",
            endpoint_url=url,
            region_name="eu-west-1",
            aws_access_key_id="tests",
            aws_secret_access_key="tests",
        )
        client.create_secret(Name="prod/crm", SecretString=json.dumps({"token": "v-1"}))
        place = reference("aws:prod/crm#token", "")
        assert place.resolve(env) == "v-1"
        pending = client.put_secret_value(
            SecretId="prod/crm", SecretString=json.dumps({"token": "v-2"}), VersionStages=["AWSPENDING"]
        )
        assert not place.renew(env)
        assert place.resolve(env) == "v-1"
        assert reference("aws:prod/crm#token@AWSPENDING", "").resolve(env) == "v-2"
        current = client.describe_secret(SecretId="prod/crm")["VersionIdsToStages"]
        former = next(version for version, stages in current.items() if "AWSCURRENT" in stages)
        client.update_secret_version_stage(
            SecretId="prod/crm",
            VersionStage="AWSCURRENT",
            MoveToVersionId=pending["VersionId"],
            RemoveFromVersionId=former,
        )
        secret_keeper()._kept.clear()
        with caplog.at_level(logging.DEBUG):  # at which boto's libraries write down what they were answered
            assert place.resolve(env) == "v-2"
        assert "v-2" not in caplog.text
