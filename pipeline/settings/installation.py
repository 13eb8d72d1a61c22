"""What an embedded installation keeps in its data folder: sockets, the secrets made for it, what runs at present.

Paths follow from the folder alone; nothing here reads the environment (pipeline/settings/loading.py does).
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import pwd
import secrets as random_secrets
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigurationError

_KEYS_REMEDY = (
    "; it holds this installation's keys: restore it from a backup, or move the data folder away to begin anew"
)
_TEXTS = ("api_key", "flower_password", "sandbox_token")
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
        "sandbox_token": known.get("sandbox_token") or random_secrets.token_urlsafe(18),
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


def sandbox_token(data: Path) -> str | None:
    """What opens the sandbox's own routes to who is another user than it."""
    token = read_credentials(data).get("sandbox_token")
    return str(token) if token else None


def read_runtime(data: Path) -> dict[str, Any]:
    """What a running `afluente up` wrote about itself: `addresses` {name: URL} and `processes` [{"name", "pid",
    "created"}]. What is not of that form is left out: the file is written anew at the next start."""
    try:
        found = json.loads((data / "runtime.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    addresses, processes = found.get("addresses"), found.get("processes")
    return {
        **found,
        "addresses": {
            name: address
            for name, address in (addresses if isinstance(addresses, dict) else {}).items()
            if isinstance(address, str)
        },
        "processes": [
            entry
            for entry in (processes if isinstance(processes, list) else [])
            if isinstance(entry, dict) and isinstance(entry.get("name"), str) and type(entry.get("pid")) is int
        ],
    }


def read_credentials(data: Path) -> dict[str, Any]:
    """The secrets made for this installation; empty before its first `up`.

    Raises ConfigurationError if they are unreadable or not what was written: making new ones in their place would lose
    the keys of what is stored.
    """
    path = data / "credentials.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(unusable(path, error)) from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} cannot be read ({type(error).__name__}){_KEYS_REMEDY}") from error
    wrong = _wrong_part(found)
    if wrong:
        raise ConfigurationError(f"{path} cannot be used ({wrong}){_KEYS_REMEDY}")
    return dict(found)


def unusable(
    path: Path, error: OSError, *, folder: str = "choose another data folder with --data or AFLUENTE_DATA"
) -> str:
    """A sentence about a file or folder that the system refuses us, with what to do: `folder` where it is not one of
    an installation."""
    if isinstance(error, NotADirectoryError | FileExistsError):
        file = next((place for place in (path, *path.parents) if place.is_file()), path)
        return f"{file} is a file, not a folder: {folder}"
    if isinstance(error, PermissionError):
        owner = _owner_of(path)
        whose = (
            f"belongs to {owner}: run this as {owner}" if owner else "is closed to this user: use its owner's account"
        )
        return f"{path} {whose}, or {folder}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path} cannot be written ({error.strerror}): make room, or {folder}"
    return f"{path} cannot be made or used ({error.strerror or type(error).__name__}): {folder}"


def _owner_of(path: Path) -> str | None:
    """Name of the account that owns it, or the nearest part of it that can be seen; None if that is ourselves."""
    for place in (path, *path.parents):
        try:
            uid = place.lstat().st_uid
        except OSError:
            continue
        if uid == os.geteuid():
            return None
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"user {uid}"
    return None


def _wrong_part(found: Any) -> str | None:
    """What is not as `ensure_credentials` writes it, in words; None if all is."""
    if not isinstance(found, dict):
        return "it holds no object"
    keys = found.get("secret_keys", [])
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        return "secret_keys is no list of texts"
    made = found.get("sources", {})
    if not isinstance(made, dict) or not all(isinstance(secret, str) for secret in made.values()):
        return "sources does not map names to texts"
    wrong = [name for name in _TEXTS if not isinstance(found.get(name, ""), str)]
    return f"{wrong[0]} is no text" if wrong else None
