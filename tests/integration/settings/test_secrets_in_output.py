"""No secret is in anything that is said: with every library's log at its loudest, in errors, commands and figures."""

from __future__ import annotations

import json
import logging
import time
from base64 import b64encode

import pytest

from connectors.kit import Secret
from connectors.kit.sources.signatures import StandardWebhooks
from connectors.sandbox.server import Sandbox
from pipeline.delivery.sender import deliver
from pipeline.intake.polls import run_poll
from pipeline.records import new_id
from pipeline.settings.stores.kept import secret_keeper
from pipeline.store.deliveries.deliveries import want_deliveries
from pipeline.store.engine import transaction
from pipeline.store.people.people import write_people
from tests.support.command_line import run
from tests.support.intake_server import running_receiver
from tests.support.secret_stores import playing_vault
from tests.support.services import forget_caches
from tests.support.store_rows import new_person

WORD = "mArKeD"
SIGNING = "whsec_" + b64encode(f"{WORD} signing secret of it".encode()).decode()
SIGNED = StandardWebhooks(Secret("STANDARD_WEBHOOKS_SECRET"))
MARKED = (WORD, SIGNING.removeprefix("whsec_")[:16], b64encode(WORD.encode()).decode().rstrip("="))
COMMANDS = (
    ("doctor",),
    ("status", "--json"),
    ("destination", "list", "--json"),
    ("destination", "check", "crm"),
    ("source", "list"),
    ("source", "status"),
    ("webhook", "list"),
    ("keys", "reseal", "--status"),
    ("source", "send", "standard_webhooks"),
)


@pytest.fixture
def vault(database, redis_url, tmp_path, monkeypatch):
    with playing_vault() as (vault, env), Sandbox(port=0, state=tmp_path / "crm.sqlite") as sandbox:
        env["VAULT_TOKEN"] = f"{WORD}-token-of-the-store"
        vault.tokens = {env["VAULT_TOKEN"]}
        vault.put("secret/all", signing=SIGNING, token=f"{WORD}-token", hook=SIGNING, feed=f"{WORD}-feed")
        document = {
            "sources": {
                "standard_webhooks": {"secret": "vault:secret/all#signing"},
                "json_feed": {"url": f"{sandbox.address}/nothing", "token": "vault:secret/all#feed"},
            },
            "destinations": {
                "crm": {
                    "kind": "salesforce",
                    "base_url": sandbox.address,
                    "secrets": {"access_token": "vault:secret/all#token"},
                }
            },
            "webhooks": {
                "shop": {
                    "url": "https://hooks.example.org/x",
                    "secrets": {"signing": "vault:secret/all#hook"},
                    "events": ["person.created"],
                }
            },
            "secrets": {"expires": {"vault:secret/all#token": "2026-01-01"}},
        }
        (tmp_path / "afluente.yaml").write_text(json.dumps(document))
        for name, value in {
            "AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml"),
            "AFLUENTE_SECRET_KEYS": f"{WORD}-key-for-personal-data-0123456789",
            **env,
        }.items():
            monkeypatch.setenv(name, value)
        with transaction() as connection:
            connection.exec_driver_sql("DELETE FROM keyring")  # sealed by the tests' own key
        forget_caches()
        yield vault


def use_everything():
    """Each way in which a secret is used, well and in vain."""
    said = []
    person = new_person(email="ada@example.org", last_name="Sample", company="Example")
    with transaction() as connection:
        write_people(connection, [person])
        want_deliveries(connection, [("crm", person.person_id, "hot")])
    body = json.dumps({"type": "lead.created", "data": {"email": "ada@example.org", "n": str(new_id())}}).encode()
    with running_receiver() as receiver:
        for secret in (SIGNING, "whsec_d3Jvbmcgc2VjcmV0IG9mIHRoZSB0ZXN0czEyMw=="):
            headers = SIGNED.sign(secret=secret, body=body, message_id=str(new_id()), now=time.time())
            answer = receiver.post("/in/default/standard_webhooks", data=body, headers=headers)
            said.append(answer.text + str(answer.headers))
        said.append(receiver.get("/metrics").text)
        said.append(receiver.get("/health/ready").text)
    said.append(repr(run_poll("json_feed", "default", at_once=True)))
    said.append(repr(deliver("crm", "hot", budget_seconds=1)))
    for command in COMMANDS:
        done = run(*command)
        said.append(done.stdout + done.stderr)
    said.append(repr(secret_keeper().standings()))
    return said


@pytest.mark.long
def test_no_marked_secret_is_in_any_output(vault, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests", "asyncio", "uvicorn", "sqlalchemy.engine"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        said = use_everything()
        for status in (500, 403, 200):
            vault.status = status
            forget_caches()
            said += use_everything()
    finally:
        for name in ("urllib3", "requests", "asyncio", "uvicorn", "sqlalchemy.engine"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    with transaction() as connection:
        for table, column in (("cursors", "last_error"), ("deliveries", "last_error"), ("audit_log", "reason")):
            said += [str(value) for value in connection.exec_driver_sql(f"SELECT {column} FROM {table}").scalars()]
    printed = capfd.readouterr()
    everything = "\n".join([*said, caplog.text, printed.out, printed.err])
    assert "vault:secret/all#token" in everything  # what may be said is
    assert "secret/data/all" in caplog.text  # the libraries were loud
    assert [mark for mark in MARKED if mark in everything] == []
