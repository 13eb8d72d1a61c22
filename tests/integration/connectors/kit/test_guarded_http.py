"""A call goes to the address that was checked, under the name that was asked for, and nowhere else."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
import requests

from connectors.kit.guarded_http import GuardedSession, refusal_in
from tests.support.webhook_receiver import Answer, webhook_receiver


@pytest.fixture
def look_ups(monkeypatch):
    """Names lead where the test says, one answer after the other; each look-up is noted."""
    answers: dict[str, list[str]] = {}
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host, port, *rest, **more):
        if host not in answers:
            return real(host, port, *rest, **more)
        asked.append(host)
        address = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return real(address, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    answers["asked"] = asked
    return answers


def test_a_name_is_looked_up_once_and_the_connection_goes_there(look_ups):
    look_ups["hooks.example.org"] = ["127.0.0.1", "127.0.0.9"]
    with webhook_receiver() as receiver, GuardedSession(timeout_seconds=5, allow_private=True) as session:
        url = f"http://hooks.example.org:{receiver.port}/hook"
        assert session.post_once(url, b"{}", {}).status_code == 204
        assert session.post_once(url, b"{}", {}).status_code == 204  # by the connection that is open
    assert look_ups["asked"] == ["hooks.example.org"]
    assert receiver.received[0].headers["host"] == f"hooks.example.org:{receiver.port}"


def test_a_name_that_leads_to_a_private_network_is_never_connected_to(look_ups):
    look_ups["hooks.example.org"] = ["127.0.0.1"]
    with webhook_receiver() as receiver, GuardedSession(timeout_seconds=5) as session:
        with pytest.raises(requests.ConnectionError) as caught:
            session.post_once(f"http://hooks.example.org:{receiver.port}/hook", b"{}", {})
        refusal = refusal_in(caught.value)
    assert str(refusal) == "hooks.example.org leads to an address of a private network"
    assert receiver.received == []


def test_the_name_that_was_asked_for_stands_in_the_tls_handshake(look_ups):
    look_ups["hooks.example.org"] = ["127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        hello: list[bytes] = []

        def listen() -> None:
            line, _ = server.accept()
            hello.append(line.recv(4096))
            line.close()

        listener = threading.Thread(target=listen)
        listener.start()
        with GuardedSession(timeout_seconds=5, allow_private=True) as session, pytest.raises(requests.ConnectionError):
            session.post_once(f"https://hooks.example.org:{server.getsockname()[1]}/", b"{}", {})
        listener.join(10)
    assert b"hooks.example.org" in hello[0]
    assert ssl.HAS_SNI


def test_proxies_and_credentials_of_the_machine_play_no_part(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password secret")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with webhook_receiver() as receiver, GuardedSession(timeout_seconds=5, allow_private=True) as session:
        assert session.post_once(receiver.url, b"{}", {}).status_code == 204
    assert "authorization" not in receiver.received[0].headers


def test_an_answer_keeps_its_status_and_none_of_its_body():
    session = GuardedSession(timeout_seconds=5, allow_private=True)
    with webhook_receiver(lambda _: Answer(500, body=b"a stack trace")) as receiver, session:
        answer = session.post_once(receiver.url, b"{}", {})
    assert (answer.status_code, answer.content) == (500, b"")


def test_an_answer_that_never_comes_ends_the_call_in_its_time():
    done = threading.Event()
    with webhook_receiver(lambda _: done.wait(20) and Answer()) as receiver:
        with GuardedSession(timeout_seconds=0.3, allow_private=True) as session, pytest.raises(requests.Timeout):
            session.post_once(receiver.url, b"{}", {})
        done.set()
