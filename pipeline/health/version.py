"""Which version runs: the package's number, and the commit it was made from where that can be told."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from connectors.kit.folders import shipped_folder

_PATIENCE_SECONDS = 5.0
_SHOWN = 13  # characters of a commit, its mark included
_UNKNOWN = "unknown"


@cache
def package_version() -> str:
    """`0.1.0`, or `unknown` where no package is installed."""
    package = _package()
    return package.version if package is not None else _UNKNOWN


def installed_version() -> str:
    """`0.1.0 (commit 0123456789ab)`, without the bracket where nothing says the commit."""
    package = _package()
    if package is None:
        return _UNKNOWN
    commit = _commit_of_checkout() or _commit_of_package(package.read_text("direct_url.json"))
    return f"{package.version} (commit {commit[:_SHOWN]})" if commit else package.version


def _package() -> Distribution | None:
    try:
        return distribution("afluente")
    except PackageNotFoundError:
        return None


def _commit_of_checkout() -> str | None:
    """Of the repository that is run in place. `+` after it: files were changed since."""
    folder = shipped_folder()
    if not (folder / ".git").exists():
        return None
    asked = ("describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+")
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *asked],
            capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _commit_of_package(direct_url: str | None) -> str | None:
    """Of a package that was installed from a repository, as the installer noted it."""
    try:
        noted = json.loads(direct_url or "{}")
        commit = noted.get("vcs_info", {}).get("commit_id")
    except (ValueError, AttributeError):
        return None
    return commit if isinstance(commit, str) else None
