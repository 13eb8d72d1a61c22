"""Checks of this machine: settings, keys, disk, processes, port."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from connectors.kit.folders import overridden_files
from pipeline.crypto.encryption import Cipher
from pipeline.errors import ConfigurationError
from pipeline.health.checks import Check, failed, passed
from pipeline.settings.installation import read_runtime
from pipeline.settings.loading import Settings
from pipeline.supervisor.data_folder import find_recorded

_LEAST_FREE_BYTES = 1_000_000_000
_LEAST_FREE_SHARE = 0.05
_USUAL_PORT = 8080
_ANSWER_SECONDS = 3.0


def describe_settings(known: Settings) -> Check:
    source = str(known.config_path) if known.config_path.exists() else "defaults, no afluente.yaml"
    sandbox = " (the sandbox: no CRM is configured)" if known.uses_sandbox else ""
    return passed(
        "settings",
        f"{source}; data in {known.data}; brands {', '.join(sorted(known.brands))};"
        f" destinations {', '.join(sorted(known.destinations))}{sandbox}",
    )


def describe_company_folder(known: Settings) -> Check:
    """Which of its files take the place of shipped ones: nobody should have to compare two folders to know."""
    if known.home is None:
        return passed("own folder", "none: everything is as shipped; `afluente init DIR` makes one")
    overridden = overridden_files()
    if not overridden:
        return passed("own folder", f"{known.home}; no file in it takes the place of a shipped one")
    return passed("own folder", f"{known.home}; these count in place of the shipped ones: {', '.join(overridden)}")


def check_keys(known: Settings) -> Check:
    try:
        ids = Cipher(known.secret_keys()).key_ids
    except ConfigurationError as error:
        return failed("keys", str(error), "set AFLUENTE_SECRET_KEYS, or start once with `afluente up`")
    return passed("keys", f"{len(ids)} for personal data; {ids[0]} encrypts")


def check_disk(known: Settings) -> Check:
    folder = _existing(known.data)
    usage = shutil.disk_usage(folder)
    free = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.0f} GB are free at {folder}"
    if usage.free < _LEAST_FREE_BYTES or usage.free < _LEAST_FREE_SHARE * usage.total:
        return failed("disk", free, "make room or move the data folder (AFLUENTE_DATA): a full disk stops intake")
    return passed("disk", free)


def free_bytes(data: Path) -> int:
    """Room left where the data folder is, or will be."""
    return shutil.disk_usage(_existing(data)).free


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def check_processes(known: Settings) -> Iterator[Check]:
    """Nothing if `afluente up` does not run here: processes may run under another supervisor."""
    recorded = [entry for entry in read_runtime(known.data).get("processes", []) if isinstance(entry, dict)]
    if not recorded:
        return
    alive = {process.pid for process in find_recorded(known.data)}
    gone = [str(entry.get("name")) for entry in recorded if entry.get("pid") not in alive]
    if gone:
        remedy = f"look into the logs in {known.data / 'logs'}; `afluente up` starts a part again that dies"
        yield failed("processes", f"gone: {', '.join(gone)}", remedy)
    else:
        yield passed("processes", f"{len(recorded)} run")


def check_receiver_port(known: Settings) -> Check:
    """The running receiver answers, or its usual port is free for it."""
    address = read_runtime(known.data).get("addresses", {}).get("receiver")
    if address:
        try:
            with urlopen(f"{address}/health/ready", timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - our own address
                return passed("receiver", f"{address} answers {answer.status}")
        except (URLError, OSError) as error:
            reason = getattr(error, "code", None) or type(error).__name__
            remedy = f"look into {known.data / 'logs' / 'receiver.log'}"
            return failed("receiver", f"{address}/health/ready: {reason}", remedy)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _USUAL_PORT))
        except OSError:
            remedy = "start with `afluente up --port 0` for a free one, or stop the other program"
            return failed("receiver", f"does not run here, and port {_USUAL_PORT} is taken", remedy)
    return passed("receiver", f"does not run here; port {_USUAL_PORT} is free")


def host_of(url: str) -> str:
    """Host, port or socket path of a URL, without user and password: fit to print."""
    parts = urlsplit(url)
    if parts.hostname:
        return parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    return str(Path(parts.path)) if parts.path.strip("/") else parts.scheme
