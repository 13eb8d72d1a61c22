"""Which parts are known to have holes: by the advisories that are kept here, and by the service that knows today's.

What is kept here (`advisories.json`) covers what was looked up when it was written, bundled servers among it, and is
asked where there is no network. A hole of which it is written why it does not reach anybody is told and fails nothing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from audit.parts import ROOT, Part

_KEPT = Path(__file__).with_name("advisories.json")
_SECONDS = 300


class Hole(NamedTuple):
    """`accepted`: why it does not reach anybody; None: it may."""

    part: Part
    ids: tuple[str, ...]
    fixed: tuple[str, ...]
    accepted: str | None = None

    def __str__(self) -> str:
        where = f" (in {self.part.within})" if self.part.within else ""
        told = f"{self.part.name} {self.part.version}{where}: {', '.join(self.ids)}; fixed in {', '.join(self.fixed)}"
        return f"{told}. Accepted: {self.accepted}" if self.accepted else told


class NotAskedError(Exception):
    """The service could not be asked. The text says why."""


def as_of() -> str:
    """The day of what is kept here."""
    return str(json.loads(_KEPT.read_text())["as_of"])


def kept_holes(parts: Iterable[Part]) -> list[Hole]:
    """What is kept here of these parts."""
    advisories = json.loads(_KEPT.read_text())["advisories"]
    holes = []
    for part in parts:
        for advisory in advisories:
            if advisory["part"] != part.name or not is_open(part.version, advisory["fixed"]):
                continue
            accepted = advisory.get("accepted", {})
            why = accepted.get("why") if accepted.get("within") == part.within else None
            holes.append(Hole(part, tuple(advisory["ids"]), tuple(advisory["fixed"]), why))
    return holes


def is_open(version: str, fixed: Sequence[str]) -> bool:
    """Whether a version is before the one that mended its own series, or, if its series was not mended, before the
    greatest. One that is no version is told: nobody knows."""
    try:
        own = Version(version)
    except InvalidVersion:
        return True
    mended = sorted(map(Version, fixed))
    of_series = [each for each in mended if each.release[:2] == own.release[:2]]
    if not of_series and all(len(each.release) == 2 for each in mended):  # 18.6: the first number is the series
        of_series = [each for each in mended if each.release[0] == own.release[0]]
    return own < (of_series[-1] if of_series else mended[-1])


def ask(tools: Path, parts: Sequence[Part]) -> list[Hole]:
    """What the advisory service of PyPI knows today of the pinned packages. `tools`: an environment with pip-audit.

    Raises NotAskedError.
    """
    program = tools / "bin" / "pip-audit"
    if not program.exists():
        raise NotAskedError("pip-audit is not installed")
    command = [str(program), "-r", str(ROOT / "constraints.txt"), "--no-deps", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotAskedError(f"the advisory service gave no answer within {_SECONDS} s") from None
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise NotAskedError(f"the advisory service was not reached: {last[:200]}") from None
    # It ends well also where it knew none of the packages, as behind a mirror that has no advisories.
    if skipped := [entry["name"] for entry in found if "skip_reason" in entry]:
        named = ", ".join(skipped[:3]) + (", …" if len(skipped) > 3 else "")
        raise NotAskedError(f"the advisory service knows nothing of {len(skipped)} of {len(found)} packages ({named})")
    by_name = {part.name: part for part in parts}
    return [
        Hole(
            by_name.get(entry["name"], Part(entry["name"], entry["version"], "")),
            (known["id"], *known.get("aliases", ())),
            tuple(known["fix_versions"]) or ("no version yet",),
        )
        for entry in found
        for known in entry.get("vulns", ())
    ]
