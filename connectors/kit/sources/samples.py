"""Payloads as the sources send them, in `samples/<slug>/`: for `source send`, the docs and the conformance kit.

They are looked up in the company's folder and among the shipped ones, file by file (connectors/kit/folders.py).
`NAME.json`, `NAME.form`, `NAME.txt`, `NAME.multipart`, `NAME.csv` and `NAME.eml` are bodies; `NAME.expected.json`
beside one is the lead expected of it (a list where the body holds several). `NAME.fetched.json` is what the source has
under the ids in it: an object, or a list of one for each record that is read by its id. `pulled/NAME.json` is how the
source lists what it has posted, `pulled/NAME.parents.json` what those records belong to, nearest first.
`typical.hooks.json` is the source's answer when it is asked whether it knows our address, which is
https://leads.example.org/in/default/SLUG.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from connectors.kit.folders import find_file, find_files

EXPECTED = ".expected.json"
FETCHED = ".fetched.json"
PARENTS = ".parents.json"
HOOKS = ".hooks.json"
MULTIPART_BOUNDARY = "sample-boundary"
_CONTENT_TYPES = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".txt": "text/plain;charset=UTF-8",
    ".multipart": f"multipart/form-data; boundary={MULTIPART_BOUNDARY}",
    ".csv": "text/csv",
    ".eml": "message/rfc822",
}
_SERVED = ("typical", "minimal")
_FILES = {_CONTENT_TYPES[ending]: ending for ending in (".csv", ".eml")}  # what is imported, and never posted


@dataclass(frozen=True, slots=True)
class Sample:
    """One payload. `expected` is what mapping and normalization make of each record of it; None where nobody wrote it
    down. `fetched`: what the source has under the ids in it, in their order; `hooks`: what it answers when it is asked
    for our subscription."""

    source: str
    name: str
    content_type: str
    body: bytes
    expected: list[dict[str, Any]] | None
    fetched: tuple[Any, ...] = ()
    hooks: Any = None

    @property
    def file_name(self) -> str | None:
        """Its name in the samples' folder, if it is a file to be imported; None if it is posted."""
        return self.name + _FILES[self.content_type] if self.content_type in _FILES else None

    def __repr__(self) -> str:
        return f"<Sample {self.source}/{self.name}>"


@dataclass(frozen=True, slots=True)
class Pulled:
    """A list of what a source has posted, as it answers it, and the `parents` that `Reconcile.pushed` is given."""

    source: str
    name: str
    answer: Any = field(repr=False)
    parents: tuple[Any, ...] = field(default=(), repr=False)


def pulled_of(source: str) -> list[Pulled]:
    """A source's lists, by name. Empty if it has none."""
    files = find_files(f"samples/{source}/pulled", "*.json")
    return [
        Pulled(
            source,
            path.stem,
            orjson.loads(path.read_bytes()),
            tuple(_beside(f"{source}/pulled", path.stem + PARENTS) or ()),
        )
        for path in files.values()
        if not path.name.endswith(PARENTS)
    ]


def samples_of(source: str) -> list[Sample]:
    """A source's samples, `typical` first, then by name. Empty if it has none."""
    files = [
        path
        for path in find_files(f"samples/{source}", "*").values()
        if path.suffix in _CONTENT_TYPES and not path.name.endswith((EXPECTED, FETCHED, HOOKS))
    ]
    return [_read(source, path) for path in sorted(files, key=lambda path: (path.stem != "typical", path.name))]


def served_samples(source: str) -> list[Sample]:
    """Those of a polled source that the sandbox serves: what its API would give, nothing that is made to be wrong."""
    return [sample for sample in samples_of(source) if sample.name in _SERVED]


def _read(source: str, path: Path) -> Sample:
    return Sample(
        source,
        path.stem,
        _CONTENT_TYPES[path.suffix],
        path.read_bytes(),
        _beside(source, path.stem + EXPECTED),
        tuple(_beside(source, path.stem + FETCHED) or ()),
        next(iter(_beside(source, path.stem + HOOKS) or ()), None),
    )


def _beside(source: str, name: str) -> list[dict[str, Any]] | None:
    """What a file beside a sample says of each of its records; None without one."""
    path = find_file(f"samples/{source}/{name}")
    content = orjson.loads(path.read_bytes()) if path.exists() else None
    return [content] if isinstance(content, dict) else content
