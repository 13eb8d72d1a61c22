"""`gcp:PROJECT/NAME`: Google Secret Manager, by HTTP, as a service account with its key file, or as the machine."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.settings.stores.calls import ask, seconds_of, text_of, with_login
from pipeline.settings.stores.found import FoundSecret, SecretUnavailableError

FORM = "gcp:PROJECT/NAME, with @VERSION for another one than the newest"
PLACE = re.compile(r"(?P<project>[a-z0-9:.-]+)/(?P<name>[A-Za-z0-9_-]{1,255})(?:@(?P<version>[A-Za-z0-9_-]+))?")
VARIABLES = ("GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST", "GCP_SECRET_MANAGER_URL")
_URL = "https://secretmanager.googleapis.com"  # a region's own endpoint has another name
_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - where one is had
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PROOF_SECONDS = 600
_MACHINE = "metadata.google.internal"


def fetch(place: str, env: Mapping[str, str]) -> FoundSecret:
    """Raises SecretUnavailableError."""
    what = f"the secret gcp:{place}"
    parts = PLACE.fullmatch(place)
    if parts is None:
        raise SecretUnavailableError(f"{what} is not written as {FORM}", is_refused=True)
    base = (env.get("GCP_SECRET_MANAGER_URL") or _URL).rstrip("/")
    version = parts["version"] or "latest"
    url = f"{base}/v1/projects/{parts['project']}/secrets/{parts['name']}/versions/{version}:access"
    path = env.get("GOOGLE_APPLICATION_CREDENTIALS")
    log_in = partial(_as_account, what, path) if path else partial(_as_machine, what, env)
    key = hashlib.sha256("\0".join(env.get(name, "") for name in VARIABLES).encode()).hexdigest()
    answer: dict[str, Any] = with_login(f"gcp {key}", log_in, partial(_read, url, what))
    try:
        value = base64.b64decode(text_of(answer, "payload", "data"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        value = ""
    if not value:
        raise SecretUnavailableError(f"{what}: Secret Manager's answer holds no text")
    return FoundSecret(value, datetime.now(UTC), version=text_of(answer, "name").rpartition("/")[2] or None)


def _read(url: str, what: str, token: str) -> dict[str, Any]:
    return ask(url, what=what, headers={"Authorization": f"Bearer {token}"})


def _as_machine(what: str, env: Mapping[str, str]) -> tuple[str, float]:
    """By what the cloud says of the machine that this runs on."""
    host = env.get("GCE_METADATA_HOST") or _MACHINE
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
    answer = ask(url, what=f"{what}: the machine's own token", headers={"Metadata-Flavor": "Google"})
    return text_of(answer, "access_token"), seconds_of(answer.get("expires_in"))


def _as_account(what: str, path: str) -> tuple[str, float]:
    """By the key file of a service account, which is read again at each login."""
    try:
        account = orjson.loads(Path(path).read_bytes())
        key = load_pem_private_key(account["private_key"].encode(), password=None)
        token_url, email = str(account.get("token_uri") or _TOKEN_URL), str(account["client_email"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SecretUnavailableError(
            f"{what}: the file that GOOGLE_APPLICATION_CREDENTIALS names is no key file of a service account"
            f" ({type(error).__name__})",
            is_refused=True,
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise SecretUnavailableError(f"{what}: the service account's key is no RSA key", is_refused=True)
    now = int(time.time())
    claims = {"iss": email, "scope": _SCOPE, "aud": token_url, "iat": now, "exp": now + _PROOF_SECONDS}
    header = {"alg": "RS256", "typ": "JWT", "kid": str(account.get("private_key_id", ""))}
    signed = b".".join(_base64url(orjson.dumps(part)) for part in (header, claims))
    proof = signed + b"." + _base64url(key.sign(signed, PKCS1v15(), SHA256()))
    form = {"grant_type": _GRANT, "assertion": proof.decode()}
    answer = ask(token_url, what=f"{what}: the login", form=form)
    return text_of(answer, "access_token"), seconds_of(answer.get("expires_in"))


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
