"""What an embedded installation keeps in its data folder: sockets, the secrets made for it, what runs at present.

Paths follow from the folder alone; nothing here reads the environment (pipeline/settings/loading.py does).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets as random_secrets
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigurationError

_SOCKET_PATH_LIMIT = 80  # Unix sockets allow 107 bytes; the server appends a file name of up to 20


def socket_folder(data: Path) -> Path:
    """Folder of the embedded servers' sockets: in `data`, or a short stand-in if that path is too long for a socket."""
    folder = data.resolve() / "sockets"
    if len(os.fsencode(folder)) <= _SOCKET_PATH_LIMIT:
        return folder
    return Path("/tmp") / f"afluente-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"  # noqa: S108 - made 0700 (0770 with a group of its own as root) by embedded.py


def embedded_database_url(data: Path, name: str = "afluente") -> str:
    return f"postgresql+psycopg2://postgres@/{name}?host={socket_folder(data)}"


def embedded_broker_url(data: Path) -> str:
    return f"redis+socket://{socket_folder(data)}/redis.sock"


def ensure_credentials(data: Path, source_slugs: list[str]) -> None:
    """Make the secrets of an embedded installation once: encryption key, API key, Flower's password, source secrets."""
    path = data / "credentials.json"
    known = read_credentials(data)
    made: dict[str, Any] = {
        "secret_keys": known.get("secret_keys") or [random_secrets.token_urlsafe(32)],
        "api_key": known.get("api_key") or random_secrets.token_urlsafe(24),
        "flower_password": known.get("flower_password") or random_secrets.token_urlsafe(18),
        "sources": {
            slug: known.get("sources", {}).get(slug)
            or "whsec_" + base64.b64encode(random_secrets.token_bytes(32)).decode()
            for slug in source_slugs
        },
    }
    if made == known:
        return
    data.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(made, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def embedded_flower_password(data: Path) -> str | None:
    """Flower's password made for an embedded installation (the user is `afluente`)."""
    password = read_credentials(data).get("flower_password")
    return str(password) if password else None


def read_runtime(data: Path) -> dict[str, Any]:
    """What a running `afluente up` wrote about itself: addresses and processes. Empty if nothing was written."""
    try:
        found = json.loads((data / "runtime.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_credentials(data: Path) -> dict[str, Any]:
    """The secrets made for this installation; empty before its first `up`. ConfigurationError if unreadable."""
    try:
        found = json.loads((data / "credentials.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{data / 'credentials.json'} cannot be read ({type(error).__name__}); it holds this installation's keys:"
            " restore it from a backup, or move the data folder away to begin anew"
        ) from error
    return found if isinstance(found, dict) else {}
