"""Writes the first version of a source: declaration, mapping and samples (`afluente source new`).

From a real payload only its shape is taken. Every value is replaced by an invented one, because samples are committed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from connectors.kit.folders import shipped_file
from connectors.kit.paths import escaped_key, path_below
from pipeline.authoring.consent_drafts import draft_consents, may_be_consent
from pipeline.authoring.event_ids import EventId, choose_event_id
from pipeline.authoring.guesses import guess_field, homes_of, is_moment, is_of_a_delivery, is_of_a_form
from pipeline.authoring.invented_samples import sample_text
from pipeline.authoring.sample_shapes import Shape, read_shape
from pipeline.errors import ConfigurationError
from pipeline.values.column_titles import title_key

_SLUG = re.compile(r"^[a-z][a-z0-9_]{1,62}$")
_NEXT_PAGES = frozenset(
    ("nextpagetoken", "nextpage", "nextpageurl", "nextcursor", "nextlink", "nexturl", "nexttoken", "odatanextlink",
     "endcursor", "hasmore", "hasnextpage", "totalpages", "pageinfo")
)  # fmt: skip
_PAGING = frozenset(("paging", "pagination", "links", "cursors", "meta"))
_NEXT_IN_PAGING = frozenset(("next", "after", "cursor"))
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


WEBHOOK, POLL, FILE, DROP_FOLDER = "webhook", "poll", "file", "drop_folder"
KINDS = (WEBHOOK, POLL, FILE, DROP_FOLDER)
_OF_TABLES = (FILE, DROP_FOLDER)


@dataclass(frozen=True)
class Scaffold:
    """What was written. `undecided` are paths that nobody has mapped or ignored yet: `source check` names them.

    `event_id` is the id that makes a second delivery harmless, or why there is none yet.
    """

    source: str
    files: list[Path] = field(default_factory=list)
    mapped: dict[str, str] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    is_open: bool = False  # a webhook that declares no signature
    event_id: EventId = field(default_factory=EventId)


@dataclass(frozen=True)
class _Draft:
    """What is guessed of a source: canonical field -> path, what may be consent, what a human must decide about.

    `ignored` are the questions that a form repeats with each answer.
    """

    mapped: dict[str, str]
    consents: list[str]
    undecided: list[str]
    ignored: list[str]


def write_source(slug: str, root: Path, *, sample: Path | None = None, kind: str | None = None) -> Scaffold:
    """Write the files of a new source under `root`; `kind` as in KINDS, by the sample if None. Raises
    ConfigurationError rather than overwrite anything."""
    check_slug(slug)
    shape = read_shape(sample) if sample else _blank(kind)
    kind = _kind(kind, shape)
    draft, event_id = _guess(shape), choose_event_id(shape)
    files = {
        root / "connectors" / "sources" / f"{slug}.py": _declaration(slug, shape, event_id, kind=kind),
        root / "mappings" / "sources" / f"{slug}.yaml": _mapping(slug, shape, draft),
        root / "samples" / slug / f"typical.{'csv' if shape.separator else 'json'}": sample_text(
            shape, {path: name for name, path in draft.mapped.items()}
        ),
    }
    write_new(files, root)
    return Scaffold(
        slug,
        list(files),
        draft.mapped,
        [*draft.consents, *draft.undecided],
        is_open=kind == WEBHOOK,
        event_id=event_id,
    )


def _blank(kind: str | None) -> Shape:
    """What a source sends of which nobody has a sample."""
    record = dict(_BLANK)
    if kind in _OF_TABLES:
        return Shape([record], separator=",")
    if kind == POLL:  # which is read as three pages when it is checked
        records = [{**record, "id": f"sample-{number}"} for number in (1, 2, 3)]
        return Shape(records, {"leads": records}, ("leads",))
    return Shape([record], record)


def _kind(wanted: str | None, shape: Shape) -> str:
    """Raises ConfigurationError for one that the sample cannot be of."""
    is_table = shape.separator is not None
    if wanted is None:
        return FILE if is_table else WEBHOOK
    if wanted not in KINDS:
        raise ConfigurationError(f"{wanted!r} is no kind of source; there are {', '.join(KINDS)}")
    if is_table and wanted not in _OF_TABLES:
        raise ConfigurationError(f"the sample is a table, and a {wanted} brings JSON: say {' or '.join(_OF_TABLES)}")
    return wanted


def check_slug(slug: str) -> None:
    """Raises ConfigurationError if this cannot name a source."""
    if not _SLUG.match(slug):
        raise ConfigurationError(
            f"{slug!r} cannot name a source: 2 to 63 lower-case letters, digits and _, a letter first"
        )


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


def file_declaration(slug: str, *, id_column: str | None = None, contact_columns: Sequence[str] = ()) -> str:
    """The declaration of a source whose leads come in files.

    `id_column` names a person, so a row that comes again with other content stands beside the earlier one, as news of
    that person and no second contact, unless one of `contact_columns` (a time, an event) says so. Without an id equal
    rows are known by their content.
    """
    shape = Shape([{}], separator=",")
    if id_column is None:
        return _declaration(slug, shape, EventId(), kind=FILE)
    note = "an id of each row's own: what comes again is no second contact"
    more = ['revisions="add",']
    if contact_columns:
        paths = ", ".join(json.dumps(escaped_key(column)) for column in contact_columns)
        more.append(f"contact_at=({paths},),  # another value there is another contact")
    event_id = EventId(escaped_key(id_column), is_seen_to_differ=True, note=note)
    return _declaration(slug, shape, event_id, kind=FILE, more=more)


def _guess(shape: Shape) -> _Draft:
    """Each field is guessed once; the first path wins."""
    mapped: dict[str, str] = {}
    consents: list[str] = []
    undecided: list[str] = []
    ignored: dict[str, None] = {}
    found = shape.leaves
    homes = homes_of(found)
    objects = {path[:place] for path in found for place, sign in enumerate(path) if sign == "."}  # in some record
    for path, value in sorted(found.items(), key=lambda leaf: is_of_a_delivery(leaf[0])):
        name = None if path in objects else guess_field(path, value, homes)
        if is_of_a_form(path) and "[" in path:
            ignored.setdefault(path.partition("[")[0])
        elif may_be_consent(path, value) or (name is not None and name.startswith("consent:")):
            consents.append(path)
        elif name is not None and name not in mapped:
            mapped[name] = path
        else:
            undecided.append(path)
    return _Draft(mapped, consents, undecided, list(ignored))


def _declaration(slug: str, shape: Shape, event_id: EventId, *, kind: str, more: Sequence[str] = ()) -> str:
    title = slug.replace("_", " ").capitalize()
    occurred_at = next((path for path, value in shape.leaves.items() if _is_own_moment(path, value)), None)
    names, intake = _intake(slug, shape, kind)
    page = _next_page(shape.document) if shape.records_at else None
    lines = [
        f'"""{title}: say here how its leads come, and what is odd about them."""',
        "",
        f"from connectors.kit import {', '.join(sorted(('Connector', *names)))}",
        "",
        "CONNECTOR = Connector(",
        f'    source="{slug}",',
        f'    title="{title}",',
        '    owner="@afluente/sources",',
        f'    docs_url="https://www.example.com/{slug}",',
        *intake,
    ]
    if page and kind == POLL:
        lines.append(f"    # {page} tells of the page behind: say it as `pages` of the Poll (docs/connectors.md).")
    elif page:
        lines.append(f"    # {page} tells of more pages: if this is the answer of an API that is asked, let")
        lines.append("    # intake be a Poll (docs/connectors.md).")
    if kind in _OF_TABLES:
        lines.append('    lane="bulk",')
    if event_id.path:
        mark = "" if event_id.is_seen_to_differ else "# "
        lines.append(f"    {mark}event_id={json.dumps(event_id.path)},  # {event_id.note}")
    if occurred_at:
        lines.append(f"    occurred_at={json.dumps(occurred_at)},")
    lines += [f"    {line}" for line in more]
    return "\n".join([*lines, ")", ""])


def _intake(slug: str, shape: Shape, kind: str) -> tuple[tuple[str, ...], list[str]]:
    """(names of the kit, lines). A Poll's address is nobody's: it is not asked before the right one stands there."""
    if kind == FILE:
        return ("File",), [f'    intake=File(example="typical.{"csv" if shape.separator else "json"}"),']
    if kind == DROP_FOLDER:
        return ("DropFolder",), ["    intake=DropFolder(),"]
    if kind == WEBHOOK:
        return ("Webhook",), [f"    intake=Webhook({_records_at(shape.records_at)}),"]
    records_at = _records_at(shape.records_at[:1])  # one list: what others an answer holds are streams of their own
    return ("Poll", "Secret"), [
        "    intake=Poll(",
        f'        url="https://api.example.com/{slug}",  # or sources.{slug}.url in afluente.yaml',
        *([f"        {records_at},"] if records_at else []),
        f'        token=Secret("{slug.upper()}_TOKEN"),  # or auth=…: docs/connectors.md has the usual ways',
        "    ),",
    ]


def _is_own_moment(path: str, value: Any) -> bool:
    """A time of the record itself, at a place that its connector reads: not beside the list, nor in an answer."""
    return is_moment(path, value) and not path.startswith("^")


def _next_page(document: Any, path: str = "") -> str | None:
    """Where a body tells of the page behind it, as answers of APIs do."""
    if not isinstance(document, dict):
        return None
    for key, value in document.items():
        place = path_below(path, str(key))
        name = title_key(str(key))
        is_next = name in _NEXT_PAGES or (name in _NEXT_IN_PAGING and title_key(path.rpartition(".")[2]) in _PAGING)
        if is_next and place.isprintable():
            return place
        if (found := _next_page(value, place)) is not None:
            return found
    return None


def _records_at(places: Sequence[str]) -> str:
    if not places:
        return ""
    paths = [json.dumps(path) for path in places]
    return f"records_at={paths[0] if len(paths) == 1 else '(' + ', '.join(paths) + ')'}"


def _mapping(slug: str, shape: Shape, draft: _Draft) -> str:
    from pipeline.canonical import LEAD_FIELDS, TOUCH_FIELDS
    from pipeline.stages.mapping.language import SCHEMA_LINE

    lists = [
        {"at": answer_list.at, "name": answer_list.name, "values": _one_or_all(answer_list.values)}
        | ({"ignored": _one_or_all(answer_list.ignored)} if answer_list.ignored else {})
        for answer_list in shape.lists
    ]
    sections: dict[str, Any] = {
        "lists": lists,
        "lead": {name: draft.mapped[name] for name in LEAD_FIELDS if name in draft.mapped},
        "touch": {name: draft.mapped[name] for name in TOUCH_FIELDS if name in draft.mapped},
        "ignored": draft.ignored,
    }
    document = {"source": slug, "version": 1, **{name: fields for name, fields in sections.items() if fields}}
    text = f"{SCHEMA_LINE}\n{yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)}"
    return "\n".join([text.rstrip("\n"), *draft_consents(draft.consents, shape.leaves), ""])


def _one_or_all(paths: tuple[str, ...]) -> str | list[str]:
    return paths[0] if len(paths) == 1 else list(paths)
