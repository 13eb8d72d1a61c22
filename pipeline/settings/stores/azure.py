"""`azure:VAULT/NAME`: Azure Key Vault, by HTTP, as an application (client credentials) or a federated workload."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.settings.stores.calls import ask, seconds_of, text_of, with_login
from pipeline.settings.stores.found import FoundSecret, SecretUnavailableError

FORM = "azure:VAULT/NAME, with @VERSION for an older one"
PLACE = re.compile(r"(?P<vault>[A-Za-z0-9-]{1,127})/(?P<name>[A-Za-z0-9-]{1,127})(?:@(?P<version>[A-Za-z0-9]+))?")
VARIABLES = (
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_KEY_VAULT_URL",
)
_API_VERSION = "7.4"
_AUTHORITY = "https://login.microsoftonline.com"
_VAULT_URL = "https://{vault}.vault.azure.net"  # other clouds have other names
_FEDERATED = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def fetch(place: str, env: Mapping[str, str]) -> FoundSecret:
    """Raises SecretUnavailableError."""
    what = f"the secret azure:{place}"
    parts = PLACE.fullmatch(place)
    if parts is None:
        raise SecretUnavailableError(f"{what} is not written as {FORM}", is_refused=True)
    base = env.get("AZURE_KEY_VAULT_URL") or _VAULT_URL
    version = f"/{parts['version']}" if parts["version"] else ""
    url = f"{base.replace('{vault}', parts['vault']).rstrip('/')}/secrets/{parts['name']}{version}"
    read = partial(_read, f"{url}?api-version={_API_VERSION}", what)
    answer: dict[str, Any] = with_login(_key(env), partial(_log_in, what, env, base), read)
    attributes = answer.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    if attributes.get("enabled") is False:
        raise SecretUnavailableError(f"{what} is switched off in Key Vault", is_refused=True)
    if not text_of(answer, "value"):
        raise SecretUnavailableError(f"{what}: Key Vault's answer holds no value")
    ends = attributes.get("exp")
    return FoundSecret(
        answer["value"],
        datetime.now(UTC),
        version=text_of(answer, "id").rpartition("/")[2] or None,
        expires_at=datetime.fromtimestamp(ends, UTC) if isinstance(ends, int) else None,
    )


def _read(url: str, what: str, token: str) -> dict[str, Any]:
    return ask(url, what=what, headers={"Authorization": f"Bearer {token}"})


def _log_in(what: str, env: Mapping[str, str], base: str) -> tuple[str, float]:
    """An access token for Key Vault and its life in seconds."""
    tenant, client = env.get("AZURE_TENANT_ID", ""), env.get("AZURE_CLIENT_ID", "")
    proof = _proof(what, env)
    if not (tenant and client and proof):
        raise SecretUnavailableError(
            f"{what}: set AZURE_TENANT_ID, AZURE_CLIENT_ID, and AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE",
            is_refused=True,
        )
    audience = base.replace("{vault}.", "") if "{vault}." in base else "https://vault.azure.net"
    form = {
        "grant_type": "client_credentials",
        "client_id": client,
        "scope": f"{audience.rstrip('/')}/.default",
        **proof,
    }
    authority = (env.get("AZURE_AUTHORITY_HOST") or _AUTHORITY).rstrip("/")
    answer = ask(f"{authority}/{tenant}/oauth2/v2.0/token", what=f"{what}: the login", form=form)
    return text_of(answer, "access_token"), seconds_of(answer.get("expires_in"))


def _proof(what: str, env: Mapping[str, str]) -> dict[str, str]:
    if secret := env.get("AZURE_CLIENT_SECRET"):
        return {"client_secret": secret}
    path = env.get("AZURE_FEDERATED_TOKEN_FILE")
    if not path:
        return {}
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretUnavailableError(
            f"{what}: the file that AZURE_FEDERATED_TOKEN_FILE names cannot be read ({type(error).__name__})",
            is_refused=True,
        ) from None
    return {"client_assertion_type": _FEDERATED, "client_assertion": token}


def _key(env: Mapping[str, str]) -> str:
    told = "\0".join(env.get(name, "") for name in VARIABLES)
    return f"azure {hashlib.sha256(told.encode()).hexdigest()}"
