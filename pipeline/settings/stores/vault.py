"""`vault:MOUNT/PATH#FIELD`: HashiCorp Vault and OpenBao, secrets engine KV version 2, by their HTTP API.

By a token (VAULT_TOKEN, or VAULT_TOKEN_FILE, which an agent renews and which is read again at every use) or an AppRole
(VAULT_ROLE_ID with VAULT_SECRET_ID or VAULT_SECRET_ID_FILE).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from connectors.kit.times import parse_time
from pipeline.settings.stores.calls import ask, seconds_of, text_of, with_login
from pipeline.settings.stores.found import FoundSecret, SecretUnavailableError

FORM = "vault:MOUNT/PATH#FIELD, with @VERSION for an older one"
PLACE = re.compile(r"(?P<mount>[^/#@\s]+)/(?P<path>[^#@\s]+)#(?P<field>[^#@\s]+)(?:@(?P<version>[1-9][0-9]*))?")
VARIABLES = (
    "VAULT_ADDR",
    "VAULT_TOKEN",
    "VAULT_TOKEN_FILE",
    "VAULT_ROLE_ID",
    "VAULT_SECRET_ID",
    "VAULT_SECRET_ID_FILE",
    "VAULT_NAMESPACE",
    "VAULT_CACERT",
)
_EXPIRES_AT = "expires_at"  # of a secret's own metadata: KV keeps no such thing itself


def fetch(place: str, env: Mapping[str, str]) -> FoundSecret:
    """Raises SecretUnavailableError."""
    what = f"the secret vault:{place}"
    parts = PLACE.fullmatch(place)
    if parts is None:
        raise SecretUnavailableError(f"{what} is not written as {FORM}", is_refused=True)
    address = env.get("VAULT_ADDR", "").rstrip("/")
    if not address:
        raise SecretUnavailableError(
            f"{what}: set VAULT_ADDR to where Vault listens, https://HOST:8200", is_refused=True
        )
    version = f"?version={parts['version']}" if parts["version"] else ""
    url = f"{address}/v1/{quote(parts['mount'])}/data/{quote(parts['path'])}{version}"
    answer = _read(url, what, address, env)
    found = answer.get("data")
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get(parts["field"]), str):
        raise SecretUnavailableError(f"{what}: there is no text {parts['field']} there", is_refused=True)
    metadata = found.get("metadata") if isinstance(found, dict) else None
    metadata = metadata if isinstance(metadata, dict) else {}
    return FoundSecret(
        data[parts["field"]],
        datetime.now(UTC),
        version=str(metadata.get("version") or "") or None,
        expires_at=parse_time(text_of(metadata, "custom_metadata", _EXPIRES_AT) or None),
        lease_seconds=seconds_of(answer.get("lease_duration")) or None,
    )


def _read(url: str, what: str, address: str, env: Mapping[str, str]) -> dict[str, Any]:
    common = {"X-Vault-Request": "true"}
    if namespace := env.get("VAULT_NAMESPACE"):
        common["X-Vault-Namespace"] = namespace
    call = partial(ask, what=what, ca_file=env.get("VAULT_CACERT"))

    def read(token: str) -> dict[str, Any]:
        return call(url, headers={**common, "X-Vault-Token": token})

    if token := _given(env, "VAULT_TOKEN", what):
        return read(token)
    role = env.get("VAULT_ROLE_ID", "")
    if not role:
        raise SecretUnavailableError(
            f"{what}: set VAULT_TOKEN, VAULT_TOKEN_FILE, or VAULT_ROLE_ID and VAULT_SECRET_ID", is_refused=True
        )

    def log_in() -> tuple[str, float]:
        body = {"role_id": role, "secret_id": _given(env, "VAULT_SECRET_ID", what)}
        answer = call(f"{address}/v1/auth/approle/login", headers=common, body=body)
        auth = answer.get("auth")
        return text_of(answer, "auth", "client_token"), seconds_of(
            auth.get("lease_duration") if isinstance(auth, dict) else 0
        )

    key = hashlib.sha256("\0".join((address, env.get("VAULT_NAMESPACE", ""), role)).encode()).hexdigest()
    found: dict[str, Any] = with_login(f"vault {key}", log_in, read)
    return found


def _given(env: Mapping[str, str], name: str, what: str) -> str:
    """A variable, or what is at present in the file that its `_FILE` names; "" for neither."""
    if path := env.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SecretUnavailableError(
                f"{what}: the file that {name}_FILE names cannot be read ({type(error).__name__})", is_refused=True
            ) from None
    return env.get(name, "").strip()
