"""Writes the first version of a source: declaration, mapping and samples (`afluente source new`).

From a real payload only its shape is taken. Every value is replaced by an invented one, because samples are committed.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from connectors.kit.folders import shipped_file
from connectors.kit.paths import escaped_key, parse_path
from connectors.kit.sources.parts import BESIDE, take_apart
from pipeline.authoring.guesses import guess_field, invented, is_moment, name_key_of
from pipeline.errors import ConfigurationError

_DOT = re.compile(r"(?<!\\)\.")  # one that ends a key
_SLUG = re.compile(r"^[a-z][a-z0-9_]{1,62}$")
_BLANK: dict[str, Any] = {
    "id": "sample-1",
    "submitted_at": "2026-01-15T10:00:00Z",
    "email": "ada.sample@example.com",
    "first_name": "Ada",
    "last_name": "Sample",
    "phone": "+1 202-555-0143",
    "company": "Example Works",
    "utm_source": "newsletter",
}
_BATCHES = ("changes", "messaging", "events", "records", "items", "leads", "entries", "registrants", "contacts")
_FILES = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Scaffold:
    """What was written. `undecided` are paths that nobody has mapped or ignored yet: `source check` names them."""

    source: str
    files: list[Path] = field(default_factory=list)
    mapped: dict[str, str] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    is_open: bool = False  # a webhook that declares no signature


@dataclass(frozen=True)
class _Shape:
    """What a sample tells: where its records are, one of them, and under `^` what stands beside it, if anything."""

    record: dict[str, Any]
    records_at: str | None = None
    separator: str | None = None  # of a file's columns; None: JSON
    beside: dict[str, Any] = field(default_factory=dict)


def write_source(slug: str, root: Path, *, sample: Path | None = None) -> Scaffold:
    """Write the files of a new source under `root`. Raises ConfigurationError rather than overwrite anything."""
    check_slug(slug)
    shape = _read_shape(sample) if sample else _Shape(dict(_BLANK))
    mapped, undecided = _guess_mapping(shape.record)
    event_id = _event_id(shape.record)
    ignored = [path for path in undecided if path == event_id]  # it makes a repetition harmless, and names nobody
    undecided = [path for path in undecided if path not in ignored]
    undecided += [path for path, _ in leaves(shape.beside)] if shape.beside else []
    body = _sample_body(shape, mapped)
    files = {
        root / "connectors" / "sources" / f"{slug}.py": _declaration(slug, shape),
        root / "mappings" / "sources" / f"{slug}.yaml": _mapping(slug, mapped, ignored),
        root / "samples" / slug / f"typical.{'csv' if shape.separator else 'json'}": body,
    }
    write_new(files, root)
    return Scaffold(slug, list(files), mapped, undecided, is_open=shape.separator is None)


def check_slug(slug: str) -> None:
    """Raises ConfigurationError if this cannot name a source."""
    if not _SLUG.match(slug):
        raise ConfigurationError(f"{slug!r} cannot name a source: lower-case letters, digits and _, a letter first")


def write_new(files: dict[Path, str], root: Path) -> None:
    """Write files that do not exist yet, all or none. Raises ConfigurationError, also where nothing can be written.

    A file that is shipped exists too: a new source must not take its place unawares.
    """
    paths = {path: str(path.relative_to(root)) for path in files}
    taken = [name for path, name in paths.items() if path.exists() or shipped_file(name).exists()]
    if taken:
        raise ConfigurationError(f"{taken[0]} exists already: choose another name, or edit that source")
    written: list[Path] = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{root} cannot be written ({error.strerror}): make these files where it is kept, and deploy them:"
            f" {', '.join(paths.values())}"
        ) from error


def file_declaration(slug: str) -> str:
    """The declaration of a source whose leads come in files. Without an id: equal rows are known by their content."""
    return _declaration(slug, _Shape({}, separator=","))


def _read_shape(sample: Path) -> _Shape:
    try:
        text = sample.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {sample} as UTF-8 text: {type(error).__name__}") from error
    suffix = sample.suffix.lower()
    if suffix in _FILES:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=_separator(text, _FILES[suffix])))
        if not rows:
            raise ConfigurationError(f"{sample} has no row below its header: give a sample with at least one")
        return _Shape({str(key): value for key, value in rows[0].items() if key}, separator=",")
    try:
        whole = json.loads(text.splitlines()[0] if suffix == ".jsonl" else text)
    except (ValueError, IndexError) as error:
        place = f" line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(
            f"{sample}{place}: not readable as JSON; allowed: .json, .jsonl, .csv, .tsv"
        ) from error
    return _find_records(whole, sample)


def _separator(text: str, usual: str) -> str:
    header = text.partition("\n")[0]
    return max((usual, ";", "\t"), key=header.count)


def _find_records(whole: Any, sample: Path) -> _Shape:
    """A body is one record, a list of them, or an object that holds such a list next to little else."""
    if isinstance(whole, list) and whole and isinstance(whole[0], dict):
        return _Shape(whole[0], records_at=None)
    if not isinstance(whole, dict):
        raise ConfigurationError(f"{sample}: neither a JSON object nor a list of objects")
    lists = {
        key: value
        for key, value in whole.items()
        if isinstance(value, list) and value and _is_record(value[0]) and name_key_of(value) is None
    }
    if len(lists) == 1:
        return _in_list(whole, next(iter(lists)))
    return _Shape(whole)


def _in_list(whole: dict[str, Any], key: str) -> _Shape:
    """A record of the list at `key`; one further in, where each entry of it is a batch itself (`entry[*].changes`)."""
    records_at, entry = escaped_key(key), whole[key][0]
    while batch := next((name for name in _BATCHES if _is_batch(entry.get(name))), None):
        records_at, entry = f"{records_at}[*].{batch}", entry[batch][0]
    part = next(part for part in take_apart(whole, records_at) if part.value is entry)
    return _Shape(entry, records_at=records_at, beside={BESIDE: part.beside} if part.beside else {})


def _is_batch(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and _is_record(value[0])


def _is_record(value: Any) -> bool:
    """An object that names someone: it holds an e-mail address or a phone number somewhere."""
    return isinstance(value, dict) and any(
        guess_field(path, leaf) in {"email", "phone", "whatsapp_id"} for path, leaf in leaves(value)
    )


def leaves(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(path, value) of everything a mapping can name: values, and lists of values as one."""

    def walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict) and value:
            for key, entry in value.items():
                yield from walk(entry, f"{path}.{key}" if path else str(key))
        elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
            name_key = name_key_of(value)
            for place, entry in _entries(value, path, name_key):
                yield from walk(
                    {key: leaf for key, leaf in entry.items() if key != name_key} if name_key else entry, place
                )
        else:
            yield path, value

    yield from walk(record, "")


def _entries(items: list[Any], path: str, name_key: str | None) -> Iterator[tuple[str, Any]]:
    for number, entry in enumerate(items):
        yield (f"{path}[{name_key}={entry[name_key]}]" if name_key else f"{path}[{number}]"), entry


def _guess_mapping(record: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """(canonical field -> path, paths left for a human). Each field is guessed once; the first path wins."""
    mapped: dict[str, str] = {}
    undecided = []
    for path, value in leaves(record):
        name = guess_field(path, value)
        if name and name not in mapped:
            mapped[name] = path
        else:
            undecided.append(path)
    return mapped, undecided


def _sample_body(shape: _Shape, mapped: dict[str, str]) -> str:
    fields = {path: name for name, path in mapped.items()}

    def invent(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {key: invent(entry, f"{path}.{key}" if path else str(key)) for key, entry in value.items()}
        if isinstance(value, list) and (name_key := name_key_of(value)):
            return [
                {key: leaf if key == name_key else invent(leaf, f"{place}.{key}") for key, leaf in entry.items()}
                for place, entry in _entries(value, path, name_key)
            ]
        if isinstance(value, list):
            return [
                invent(entry, f"{path}[{number}]" if isinstance(entry, dict) else path)
                for number, entry in enumerate(value)
            ]
        return invented(fields.get(path), path, value)

    record = invent(shape.record, "")
    if shape.separator:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n", delimiter=shape.separator)
        writer.writerow(record)
        writer.writerow(record.values())
        return text.getvalue()
    return json.dumps(_around(record, shape, invent), ensure_ascii=False, indent=2) + "\n"


def _around(record: Any, shape: _Shape, invent: Callable[[Any, str], Any]) -> Any:
    """The body that the record stands in, with one entry in each list and invented values beside them."""
    whole, place, beside = record, BESIDE, shape.beside.get(BESIDE, {})
    for step in reversed(_DOT.split(shape.records_at) if shape.records_at else []):
        around = {key: value for key, value in beside.items() if key != BESIDE}
        whole = {**invent(around, place), parse_path(step.removesuffix("[*]"))[0]: [whole]}
        place, beside = f"{place}.{BESIDE}", beside.get(BESIDE, {})
    return whole


def _event_id(record: dict[str, Any]) -> str | None:
    """The path of the source's own id of a record, or None where there is none to be sure of."""
    return event_id_among(list(leaves(record)))


def _declaration(slug: str, shape: _Shape) -> str:
    title = slug.replace("_", " ").capitalize()
    paths = dict(leaves(shape.record))
    event_id = _event_id(shape.record)
    occurred_at = next((path for path, value in paths.items() if is_moment(path, value)), None)
    if shape.separator:
        names, intake = "Connector, File", 'File(example="typical.csv")'
    else:
        names = "Connector, Webhook"
        intake = f"Webhook(records_at={json.dumps(shape.records_at)})" if shape.records_at else "Webhook()"
    lines = [
        f'"""{title}: say here how its leads come, and what is odd about them."""',
        "",
        f"from connectors.kit import {names}",
        "",
        "CONNECTOR = Connector(",
        f'    source="{slug}",',
        f'    title="{title}",',
        '    owner="@afluente/sources",',
        f'    docs_url="https://www.example.com/{slug}",',
        f"    intake={intake},",
    ]
    if shape.separator:
        lines.append('    lane="bulk",')
    if event_id:
        lines.append(f"    event_id={json.dumps(event_id)},  # must differ for every record, or one hides the other")
    if occurred_at:
        lines.append(f"    occurred_at={json.dumps(occurred_at)},")
    return "\n".join([*lines, ")", ""])


def _mapping(slug: str, mapped: dict[str, str], ignored: list[str]) -> str:
    from pipeline.canonical import LEAD_FIELDS, TOUCH_FIELDS
    from pipeline.stages.mapping.language import SCHEMA_LINE

    consent = {name.removeprefix("consent:"): path for name, path in mapped.items() if name.startswith("consent:")}
    sections: dict[str, dict[str, Any] | list[str]] = {
        "lead": {name: mapped[name] for name in LEAD_FIELDS if name in mapped},
        "touch": {name: mapped[name] for name in TOUCH_FIELDS if name in mapped},
        "consent": {name: {"from": path} for name, path in consent.items()},
        "ignored": ignored,
    }
    document = {"source": slug, "version": 1, **{name: fields for name, fields in sections.items() if fields}}
    return f"{SCHEMA_LINE}\n{yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)}"
