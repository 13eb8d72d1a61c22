"""Who may look into the sandbox CRM, which holds people in clear: asked from another account, and as a browser asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import requests

from connectors.sandbox.server import Sandbox

TOKEN = "a-token-of-this-test"
NOBODY = 65534
ASK = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
host, port = sys.argv[2].split(":")
head = f"{sys.argv[3]} {sys.argv[4]} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n"
if len(sys.argv) > 5:
    head += f"Authorization: Bearer {sys.argv[5]}\\r\\n"
with socket.socket() as connection:
    connection.settimeout(5)
    connection.connect((host, int(port)))
    connection.sendall(f"{head}\\r\\n".encode("ascii"))
    print(connection.recv(4096).split()[1].decode("ascii"))
"""
OWN_ROUTES = [("GET", "/_records"), ("GET", "/_calls"), ("GET", "/_faults"), ("POST", "/_faults"), ("POST", "/_reset"),
              ("POST", "/feed/_add"), ("GET", "/_other")]  # fmt: skip


@pytest.fixture
def guarded(tmp_path):
    with Sandbox(port=0, state=tmp_path / "crm.sqlite", token=TOKEN) as running:
        yield running


def ask_as_nobody(address: str, method: str, path: str, *token: str) -> int:
    place = address.removeprefix("http://")
    command = [sys.executable, "-c", ASK, str(NOBODY), place, method, path, *token]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another account")
@pytest.mark.parametrize(("method", "path"), OWN_ROUTES)
def test_another_account_of_the_machine_sees_and_changes_nothing(guarded, method, path):
    assert ask_as_nobody(guarded.address, method, path) == 401
    assert ask_as_nobody(guarded.address, method, path, "another token") == 401


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another account")
def test_another_account_is_let_in_with_the_token_and_may_ask_whether_it_lives(guarded):
    assert ask_as_nobody(guarded.address, "GET", "/_records", TOKEN) == 200
    assert ask_as_nobody(guarded.address, "GET", "/_health") == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another account")
def test_without_a_token_no_header_opens_it_to_another_account(tmp_path):
    with Sandbox(port=0, state=tmp_path / "crm.sqlite") as running:
        assert ask_as_nobody(running.address, "GET", "/_records", "") == 401


def test_the_account_that_runs_it_needs_no_token(guarded):
    for host in ("127.0.0.1", "localhost"):
        address = guarded.address.replace("127.0.0.1", host)
        assert requests.get(f"{address}/_records", timeout=5).json() == []


@pytest.mark.short(11)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Host": "rebound.example:8081"},
        {"Host": "127.0.0.1.rebound.example"},
        {"Host": "[2001:db8::1]:8081"},
        {"Host": ""},
        {"Origin": "https://page.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/_records", "/_reset", "/services/data", "/feed/leads", "/_health"])
def test_a_page_of_another_site_is_refused_on_every_route(guarded, headers, path):
    for token in ({}, {"Authorization": f"Bearer {TOKEN}"}):
        for method in ("GET", "POST"):
            answer = requests.request(method, guarded.address + path, headers={**headers, **token}, timeout=5)
            assert answer.status_code == 403, answer.text


def test_a_page_of_the_sandbox_itself_is_not_foreign(guarded):
    headers = {"Origin": guarded.address, "Sec-Fetch-Site": "same-origin"}
    assert requests.get(f"{guarded.address}/_records", headers=headers, timeout=5).status_code == 200
