"""What must outlive a container lies in a named volume, the same one for all services that write it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import PurePosixPath
from uuid import UUID

import pytest
import yaml

from pipeline.privacy.erasing import certificates
from pipeline.privacy.ledger import ledger_path
from pipeline.settings.loading import Settings, load_settings
from tests.support.paths import ROOT


@pytest.fixture
def compose() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def certificate_path(known: Settings):
    real = certificates.settings
    certificates.settings = lambda: known
    try:
        return certificates.certificate_path(UUID(int=0))
    finally:
        certificates.settings = real


OUTLIVE: dict[str, Callable[[Settings], object]] = {
    "ledger": ledger_path,
    "audit heads": lambda known: known.audit_anchor,
    "certificates": certificate_path,
}


def writers(compose: dict) -> dict[str, dict]:
    """Services of ours that have the database: only they erase, hold and keep the audit log."""
    services = {name: service for name, service in compose["services"].items() if "build" in service}
    return {name: service for name, service in services.items() if "database_url" in service["secrets"]}


def place_of(service: dict, path: str) -> tuple[str, bool]:
    """What is mounted where a path of a container lies, and whether it can be written there: the innermost mount."""
    mounts = {target.partition(":")[0]: ("", True) for target in service.get("tmpfs", [])}
    for volume in service.get("volumes", []):
        source, target, *options = volume.replace("${COMPANY_FOLDER:-./company}", "./company").split(":")
        mounts[target] = (source, "ro" not in options)
    parents = [target for target in mounts if PurePosixPath(path).is_relative_to(target)]
    return mounts[max(parents, key=len)] if parents else ("", False)


def problems(compose: dict) -> list[str]:
    found = []
    named: dict[str, set[str]] = {}
    for name, service in writers(compose).items():
        given = {
            key: value
            for key, value in service["environment"].items()
            if not key.endswith(("_FILE", "_CONFIG", "_HOME"))
        }
        known = load_settings(given | {"AFLUENTE_CONFIG": ""})
        for what, path in OUTLIVE.items():
            volume, is_writable = place_of(service, str(path(known)))
            if volume not in compose["volumes"] or not is_writable:
                found.append(f"{name}: {what} in {path(known)} goes with the container")
            named.setdefault(what, set()).add(volume)
    of_others = {
        volume.partition(":")[0] for name in ("postgres", "redis") for volume in compose["services"][name]["volumes"]
    }
    for what, volumes in named.items():
        if len(volumes) > 1:
            found.append(f"{what}: services write into several places")
        if volumes & of_others:
            found.append(f"{what}: is restored together with what it must outlive")
    return found


def test_what_must_outlive_a_container_lies_in_one_volume_of_its_own(compose):
    assert {"migrate", "receiver", "console", "worker-ops"} <= writers(compose).keys()
    assert problems(compose) == []


def test_the_image_has_the_folder_for_its_account():
    """A new volume takes the owner of what the image has at its place; a folder that is not there is root's."""
    assert "install -d -o afluente -m 0700 /data /records" in (ROOT / "Dockerfile").read_text()


def test_these_checks_find_what_they_are_for(compose):
    def spoil(service: str, **keys: object) -> list[str]:
        spoiled = copy.deepcopy(compose)
        spoiled["services"][service].update(keys)
        return problems(spoiled)

    environment = dict(compose["services"]["console"]["environment"])
    assert spoil("console", volumes=[])
    assert spoil("console", volumes=["records:/records:ro"])
    assert spoil("console", volumes=["postgres:/records"])
    assert spoil("console", environment=environment | {"AFLUENTE_RECORDS": "/data"})
    assert spoil("postgres", volumes=["records:/var/lib/postgresql"])
