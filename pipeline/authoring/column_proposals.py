"""Which column of a table holds which canonical field: proposed from titles in five languages, held against the values.

Never a guess below certainty: what title and values do not settle is listed as undecided, with a hint. Titles stand in
`mappings/vocabularies/headers.yaml`. A consent is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.authoring.column_values import PROOFS, ColumnValues, contradicts, is_international
from pipeline.authoring.own_exports import left_of_own_export
from pipeline.canonical import IDENTIFYING_FIELDS
from pipeline.values.column_titles import (
    BRACKETS,
    LANGUAGES,
    LONGEST_TITLE,
    bare_meaning,
    is_of_others,
    title_key,
    title_keys,
    titles,
)
from pipeline.values.folding import fold
from pipeline.values.vocabularies import vocabulary

SECOND_FIELDS = {"email": "other_emails", "phone": "other_phones"}
LISTS = frozenset(SECOND_FIELDS.values())
_PROOF = 0.8  # share of the values that must be of a kind before they outweigh or replace a title
_FEWEST_PROVING = 3  # values


@dataclass(frozen=True, slots=True)
class ProposedColumn:
    """One column. `field` is None where nobody could be certain; `why` says what decided, or what is in the way."""

    position: int  # from 1
    column: str
    field: str | None
    why: str
    alias_of: str | None = None  # the column of another file that mappings name this one by


@dataclass(frozen=True, slots=True)
class Proposal:
    """All columns of a table in their order."""

    columns: tuple[ProposedColumn, ...]

    @property
    def fields(self) -> dict[str, str]:
        """Canonical field -> column, in the order of the columns; of several the first."""
        fields: dict[str, str] = {}
        for column in self.columns:
            if column.field is not None and column.alias_of is None:
                fields.setdefault(column.field, column.column)
        return fields

    @property
    def undecided(self) -> list[ProposedColumn]:
        return [column for column in self.columns if column.field is None]

    @property
    def identifies(self) -> bool:
        """Whether a lead could be told apart by what is mapped."""
        return any(name in self.fields for name in IDENTIFYING_FIELDS)


def propose(
    headers: Sequence[str], samples: Sequence[Sequence[str]], filled: Mapping[str, int] | None = None
) -> Proposal:
    """What each column holds. `samples` are some rows of the table, cells in the order of `headers`; `filled`, where
    more is known than they show, how many cells of a column hold something.

    Pure and deterministic. Each field is proposed for one column, for a filled one before an empty one; further e-mail
    and phone columns are all `other_emails`, `other_phones`.
    """
    values = [
        ColumnValues([row[index] for row in samples if index < len(row) and isinstance(row[index], str)])
        for index in range(len(headers))
    ]
    columns = [_by_title(index + 1, header, values[index]) for index, header in enumerate(headers)]
    left = left_of_own_export(headers)
    columns = [
        replace(column, field=None, why=left[column.column]) if column.column in left else column for column in columns
    ]
    counts = [
        evidence.count if filled is None else filled.get(header, 0)
        for header, evidence in zip(headers, values, strict=True)
    ]
    return Proposal(tuple(_each_once(_settle_ids(_settle_names(columns, values)), counts)))


def _hint(header: str, keys: Sequence[str]) -> str | None:
    """Why a column is left to a person whatever it holds: also by what stands in brackets, `Email (owner)`."""
    left = titles().left
    inside = [title_key(part) for part in BRACKETS.findall(header)]
    return next((left[key] for key in (*keys[:1], *inside) if key in left), None)


def _by_title(position: int, header: str, values: ColumnValues) -> ProposedColumn:
    known = titles()
    undecided = ProposedColumn(position, header, None, "")
    keys = title_keys(header) if len(header) <= LONGEST_TITLE else []
    if hint := _hint(header, keys):
        return replace(undecided, why=hint)
    for key in keys:
        if key in known.left:
            return replace(undecided, why=known.left[key])
        if key in known.ambiguous:
            return _by_values(undecided, known.ambiguous[key], values)
        if key in known.fields:
            field, language = known.fields[key]
            return _checked(undecided, field, language, values)
    return _by_bare_title(undecided, values)


def _by_bare_title(column: ProposedColumn, values: ColumnValues) -> ProposedColumn:
    """`Phone 1 - Value`, `Business City`: a known title with numbers and words beside it that change nothing."""
    for kind, is_one in (("consent", _is_a_consent), ("of_another", is_of_others)):
        if is_one(column.column):
            return replace(column, why=str(vocabulary("headers")["left"][kind]["hint"]))
    kind, found = (bare_meaning(column.column) if len(column.column) <= LONGEST_TITLE else None) or ("", "")
    if kind == "left":
        return replace(column, why=found)
    if kind == "ambiguous":
        return _by_values(column, titles().ambiguous[found], values)
    if kind == "fields":
        return _checked(column, *titles().fields[found], values)
    return _unknown(column, values)


def _checked(column: ProposedColumn, field: str, language: str, values: ColumnValues) -> ProposedColumn:
    if field == "external_id" and values.count > 1 and not values.are_distinct:
        return replace(column, why="titled like an id, but some values stand in several rows: it is not one person's")
    if contradicts(field, values):
        return replace(column, why=f"titled like {field}, but its values are not{_looks(values)}")
    spoken = LANGUAGES.get(language)
    return replace(column, field=field, why=f"title ({spoken})" if spoken else "title")


def _by_values(column: ProposedColumn, candidates: tuple[str, ...], values: ColumnValues) -> ProposedColumn:
    """A title of several meanings. Names wait for the columns beside them (`_settle_names`)."""
    for field in ("email", "phone", "linkedin_url", "company"):
        if field in candidates and values.count and PROOFS[field](values) >= _PROOF:
            return replace(column, field=field, why="title and values")
    if "last_name" in candidates or candidates == ("full_name", "first_name", "company"):
        return replace(column, why=_NAME_PENDING)
    for field in candidates:
        proof = PROOFS.get(field)
        if proof is not None and values.count and proof(values) >= _PROOF and not contradicts(field, values):
            return replace(column, field=field, why="title and values")
    meanings = " or ".join(candidates)
    return replace(column, why=f"may be {meanings}; its values do not settle it{_looks(values)}")


def _unknown(column: ProposedColumn, values: ColumnValues) -> ProposedColumn:
    """No title helps: only what can be nothing else is proposed."""
    if values.count >= _FEWEST_PROVING and values.share_distinct >= _PROOF:
        if values.share("email") >= _PROOF:
            return replace(column, field="email", why="values")
        if values.share("linkedin") >= _PROOF:
            return replace(column, field="linkedin_url", why="values")
        if values.share("phone") >= _PROOF and values.share_of(is_international) >= _PROOF / 2:
            return replace(column, field="phone", why="values")
    return replace(column, why=f"unknown title{_looks(values)}")


_NAME_PENDING = "name"


def _settle_names(columns: list[ProposedColumn], values: list[ColumnValues]) -> list[ProposedColumn]:
    """`Name`, `Nombre`, `Nome`, `Nom`: what it is depends on whether the other half of a name stands beside it."""
    mapped = {column.field for column in columns}
    settled = []
    for column, evidence in zip(columns, values, strict=True):
        if column.field is not None or column.why != _NAME_PENDING:
            settled.append(column)
            continue
        field = _name_field(title_key(BRACKETS.sub(" ", column.column)), evidence, mapped)
        why = "title, values and the columns beside it" if evidence.count else "title and the columns beside it"
        if field is None:
            why = f"may be a person's name, part of one, or a company's; its values do not settle it{_looks(evidence)}"
        mapped.add(field)
        settled.append(replace(column, field=field, why=why))
    return settled


def _name_field(key: str, values: ColumnValues, mapped: set[str | None]) -> str | None:
    if values.count and values.share("words", "word") < _PROOF - values.share("company"):
        return None
    if values.share("company") > 0.2:  # neither surely companies nor surely people
        return None
    has_first, has_last = "first_name" in mapped, "last_name" in mapped
    are_whole = values.share("words") >= _PROOF
    if has_first and has_last:
        return "full_name" if are_whole else None
    if has_first and key != "nom":
        return "full_name" if are_whole else "last_name" if key == "name" else None
    if has_first or has_last:
        return "last_name" if has_first else None if are_whole else "first_name"
    return "full_name"


_OF_A_CONTACT = frozenset(("form_id", "form_name", "event_name"))
_BARE_IDS = frozenset(("id", "key", "uuid", "guid", "reference", "codigo", "leadid", "recordid"))


def _settle_ids(columns: list[ProposedColumn]) -> list[ProposedColumn]:
    """Whose id it is: of a person in a list of people, of one contact in a table of answers or registrations."""
    are_contacts = any(column.field in _OF_A_CONTACT for column in columns)
    settled = []
    for column in columns:
        if column.field != "external_id":
            settled.append(column)
        elif are_contacts and title_key(BRACKETS.sub(" ", column.column)) in _BARE_IDS:
            why = f"{column.why}; beside a form or an event the id of one contact"
            settled.append(replace(column, field="submission_id", why=why))
        else:
            why = f"{column.why}; names a person: rows and lists that share it are one"
            settled.append(replace(column, why=why))
    return settled


def _each_once(columns: Sequence[ProposedColumn], filled: Sequence[int]) -> Sequence[ProposedColumn]:
    """The first filled column keeps the field, an empty one only where no other has it; of e-mails and phones the
    others have a field of their own, which is a list."""
    taken: dict[str, str] = {}
    settled = list(columns)
    for place in sorted(range(len(columns)), key=lambda place: (not filled[place], place)):
        column = columns[place]
        field = column.field
        if field is None:
            continue
        if field in taken:
            field = SECOND_FIELDS.get(field, field)
        if field in taken and field not in LISTS:
            empty = "" if filled[place] else "; this column is empty"
            settled[place] = replace(column, field=None, why=f"{field} is read from {taken[field]!r} already{empty}")
            continue
        taken.setdefault(field, column.column)
        if field != column.field:
            settled[place] = replace(column, field=field, why=f"{column.why}; a further one")
    return settled


def _is_a_consent(header: str) -> bool:
    """A question that asks for leave, in whatever words: `I agree to receive …`."""
    words = set(fold(header).split())
    return not words.isdisjoint(_CONSENT_WORDS)


_CONSENT_WORDS = frozenset(
    [
        *(
            "consent",
            "optin",
            "gdpr",
            "rgpd",
            "dsgvo",
            "lgpd",
            "agree",
            "permission",
            "consentimiento",
            "consentimento",
        ),
        *("einwilligung", "consentement", "newsletter", "unsubscribe", "subscribe", "privacy", "acepto", "aceito"),
    ]
)


def _looks(values: ColumnValues) -> str:
    if not values.count:
        return " (no values)"
    for kind, name in _SHOWN.items():
        if values.share(kind) >= _PROOF:
            return f" (they look like {name})"
    return ""


_SHOWN = {
    "email": "e-mail addresses",
    "phone": "phone numbers",
    "linkedin": "LinkedIn profiles",
    "url": "web addresses",
    "moment": "dates",
    "number": "numbers",
    "company": "companies",
    "honorific": "forms of address",
}
