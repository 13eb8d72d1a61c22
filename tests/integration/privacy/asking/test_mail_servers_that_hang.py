"""A mail server that accepts and does not answer costs a bounded time, and nobody else's work waits for it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.app import app
from pipeline.privacy.asking import confirmation_mails
from pipeline.privacy.asking.confirmation_mails import send_confirmations
from pipeline.tasks import send_mails, watch
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows
from tests.support.mail_taker import taking_mails
from tests.support.services import forget_caches

STATES = "SELECT last_error, attempts FROM consent_confirmations ORDER BY attempts DESC, last_error"


@pytest.fixture
def configure(database, redis_url, tmp_path, monkeypatch):
    def write(port: int, **more: Any) -> None:
        server = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "news@example.org", **more}
        document = {
            "sources": {"api": {"double_opt_in": "mail"}},
            "receiver": {"public_url": "https://leads.example.org"},
            "consent": {"mail": server},
        }
        (tmp_path / "afluente.yaml").write_text(json.dumps(document))
        forget_caches()

    monkeypatch.setenv("AFLUENTE_CONFIG", str(tmp_path / "afluente.yaml"))
    return write


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def dripping() -> Iterator[int]:
    """The port of a server that says a letter now and then: no single read of it takes long."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            with contextlib.suppress(OSError):
                line, _ = server.accept()
                with line:
                    while True:
                        line.sendall(b"2")
                        time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        yield server.getsockname()[1]


def tick(*emails: str) -> None:
    asked = [{"purpose": "marketing", "channel": "email", "granted": True}]
    capture(*({"email": email, "consents": asked} for email in emails))
    work()


def test_what_watches_over_the_rest_waits_for_no_mail_server(configure, silent):
    configure(silent)
    tick("ada@example.org")
    began = time.monotonic()
    watch()
    assert time.monotonic() - began < 10
    assert rows(STATES) == [(None, 0)]


def test_mails_have_a_task_of_their_own_in_another_node(configure):
    task = app.conf.beat_schedule["mails"]["task"]
    assert task == send_mails.name
    queue = app.amqp.router.route({}, task)["queue"].name
    assert queue != app.amqp.router.route({}, watch.name)["queue"].name
    assert send_mails.soft_time_limit <= 60


def test_a_server_that_never_answers_is_left_after_one_mail(configure, silent):
    configure(silent)
    tick("ada@example.org", "bea@example.org", "cleo@example.org")
    began = time.monotonic()
    assert send_confirmations(line_seconds=0.3) == 0
    assert time.monotonic() - began < 5
    (tried, *others) = rows(STATES)
    assert tried[1] == 1
    assert tried[0] is not None
    assert others == [(None, 0), (None, 0)]


@pytest.mark.parametrize("security", ["none", "tls"])
def test_a_server_that_drips_ends_when_its_time_is_up(configure, security):
    with dripping() as port:
        configure(port, security=security)
        tick("ada@example.org")
        began = time.monotonic()
        assert send_confirmations(line_seconds=0.5) == 0
        assert time.monotonic() - began < 8
    assert rows("SELECT asked_at, attempts FROM consent_confirmations") == [(None, 1)]


def test_one_that_cannot_be_written_stands_before_no_other(configure, monkeypatch):
    real = confirmation_mails._letter

    def letter(connection, confirmation, mail):
        if confirmation.confirmation_id == first:
            raise ValueError
        return real(connection, confirmation, mail)

    with taking_mails() as mails:
        configure(mails.port)
        tick("ada@example.org", "bea@example.org")
        ((first,), _) = rows("SELECT confirmation_id FROM consent_confirmations ORDER BY next_attempt_at")
        monkeypatch.setattr(confirmation_mails, "_letter", letter)
        assert (send_confirmations(), len(mails.letters)) == (1, 1)
    assert rows("SELECT last_error FROM consent_confirmations WHERE asked_at IS NULL") == [("unwritten",)]
