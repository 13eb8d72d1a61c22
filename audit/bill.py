"""The bill of materials: what an installation is made of, as CycloneDX 1.6 JSON."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from audit.parts import Part, images, inside_packages, packages, pinned

_NAMESPACE = uuid.UUID("6f2b2c1e-5d1b-4d0e-9a52-0d8f6f6b7a11")  # so that the same parts make the same serial number


def bill_of_materials(now: datetime | None = None) -> dict[str, Any]:
    """All parts with their versions and, of packages, what each needs."""
    python, inside, compose = packages(), inside_packages(), images()
    own = {"type": "application", "bom-ref": "afluente", "name": "afluente"}
    references = {part.name: _reference(part) for part in python}
    parts = [*python, *inside, *compose]
    direct = [_reference(part) for part in (*python, *compose)]
    depends = [{"ref": "afluente", "dependsOn": sorted(direct)}]
    for part in python:
        brought = [_reference(other) for other in inside if other.within == part.name]
        needs = {references[name] for name in part.needs if name in references}
        depends.append({"ref": _reference(part), "dependsOn": sorted({*needs, *brought})})
    depends += [{"ref": _reference(part)} for part in (*inside, *compose)]
    serial = uuid.uuid5(_NAMESPACE, "\n".join(sorted(map(_reference, parts))))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": own,
        },
        "components": [_component(part) for part in parts],
        "dependencies": sorted(depends, key=lambda entry: str(entry["ref"])),
    }


def wrong_versions(parts: Sequence[Part]) -> list[str]:
    """Packages that are installed in another version than the tested one."""
    known = pinned()
    return [
        f"{part.name} is {part.version}; constraints.txt has {known[part.name]}"
        for part in parts
        if part.name in known and part.version != known[part.name]
    ]


def _component(part: Part) -> dict[str, Any]:
    is_library = part.purl.startswith("pkg:pypi/") or part.name in ("libpq", "openssl")
    kind = "container" if part.purl.startswith("pkg:docker/") else "library" if is_library else "application"
    component: dict[str, Any] = {
        "type": kind,
        "bom-ref": _reference(part),
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
    }
    if part.cpe is not None:
        component["cpe"] = part.cpe
    if part.license:
        component["licenses"] = [{"expression": part.license}]
    if part.within:
        component["properties"] = [{"name": "afluente:within", "value": part.within}]
    return component


def _reference(part: Part) -> str:
    return part.purl if not part.within else f"{part.purl}#{part.within.replace(' ', '-')}"
