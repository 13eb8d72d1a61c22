"""Which column of a table holds which canonical field: proposed from titles in five languages, held against the values.

Never a guess below certainty: what title and values do not settle is listed as undecided, with a hint. Titles stand in
`mappings/vocabularies/headers.yaml`. A consent is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from pipeline.errors import ConfigurationError
from pipeline.stages.canonical import CANONICAL_FIELDS, IDENTIFYING_FIELDS
from pipeline.stages.column_values import PROOFS, ColumnValues, contradicts
from pipeline.stages.text import fold
from pipeline.stages.vocabularies import vocabulary

_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NUMBERED = re.compile(r"^(.*\D)\d{1,2}$")
SECOND_FIELDS = {"email": "other_emails", "phone": "other_phones"}
_PROOF = 0.8  # share of the values that must be of a kind before they outweigh or replace a title
_FEWEST_PROVING = 3  # values
_LANGUAGES = {"en": "English", "es": "Spanish", "pt": "Portuguese", "de": "German", "fr": "French"}


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
        """Canonical field -> column, in the order of the columns."""
        return {one.field: one.column for one in self.columns if one.field is not None and one.alias_of is None}

    @property
    def undecided(self) -> list[ProposedColumn]:
        return [one for one in self.columns if one.field is None]

    @property
    def identifies(self) -> bool:
        """Whether a lead could be told apart by what is mapped."""
        return any(name in self.fields for name in IDENTIFYING_FIELDS)


class Titles(NamedTuple):
    """The vocabulary, by folded title."""

    fields: dict[str, tuple[str, str]]  # canonical field, language
    ambiguous: dict[str, tuple[str, ...]]
    left: dict[str, str]  # hint
    lead_ins: tuple[str, ...]  # longest first


def propose(headers: Sequence[str], samples: Sequence[Sequence[str]]) -> Proposal:
    """What each column holds. `samples` are some rows of the table, cells in the order of `headers`.

    Pure and deterministic. Each field is proposed for one column; a second e-mail or phone column is `other_emails`
    or `other_phones`.
    """
    values = [
        ColumnValues([row[index] for row in samples if index < len(row) and isinstance(row[index], str)])
        for index in range(len(headers))
    ]
    found = [_by_title(index + 1, header, values[index]) for index, header in enumerate(headers)]
    found = _settle_names(found, values)
    return Proposal(tuple(_each_once(found)))


def title_key(text: str) -> str:
    """A title for comparing: letters and digits only, without case and accents."""
    return fold(text).replace(" ", "")


@cache
def titles() -> Titles:
    """The vocabulary, checked: a title may stand in one place only. Raises ConfigurationError."""
    content = vocabulary("headers")
    place: dict[str, str] = {}

    def claim(title: object, owner: str) -> str:
        key = title_key(str(title))
        if not isinstance(title, str) or not key or place.setdefault(key, owner) != owner:
            raise ConfigurationError(
                f"mappings/vocabularies/headers.yaml: {title!r} stands under {place.get(key)} and under {owner};"
                " a title of several meanings belongs under `ambiguous`"
            )
        return key

    fields: dict[str, tuple[str, str]] = {}
    for name, by_language in content["fields"].items():
        if name not in CANONICAL_FIELDS:
            raise ConfigurationError(f"mappings/vocabularies/headers.yaml: fields.{name} is not a canonical field")
        for language, known in by_language.items():
            for title in known:
                fields.setdefault(claim(title, name), (name, language))
    ambiguous = {claim(title, "ambiguous"): tuple(names) for title, names in content["ambiguous"].items()}
    left = {
        claim(title, f"left.{kind}"): str(entry["hint"])
        for kind, entry in content["left"].items()
        for title in entry["titles"]
    }
    lead_ins = sorted({fold(str(words)) + " " for words in content["lead_ins"]}, key=len, reverse=True)
    _add_without_small_words(fields, place, content["fields"])
    return Titles(fields, ambiguous, left, tuple(lead_ins))


_SMALL_WORDS = frozenset(("de", "del", "do", "da", "of", "der", "des", "du"))


def _loose_key(text: str) -> str:
    """The title without words that people leave out: `Nº de empleados` is `Nº empleados`."""
    return "".join(word for word in fold(text).split() if word not in _SMALL_WORDS)


def _add_without_small_words(
    fields: dict[str, tuple[str, str]], place: dict[str, str], listed: dict[str, dict[str, list[str]]]
) -> None:
    """Titles by their loose key too, where that stands for one field and for nothing that is listed itself."""
    loose: dict[str, dict[str, str]] = {}
    for name, by_language in listed.items():
        for language, known in by_language.items():
            for title in known:
                loose.setdefault(_loose_key(title), {}).setdefault(name, language)
    for key, found in loose.items():
        if key and key not in place and len(found) == 1:
            fields.update({key: next(iter(found.items()))})


def count_titles(cells: Iterable[str]) -> int:
    """How many cells of a row are titles that the vocabulary knows: what makes a row a header."""
    known = titles()
    return sum(
        any(key in known.fields or key in known.ambiguous or key in known.left for key in _keys(cell)[:2])
        for cell in cells
        if cell and len(cell) <= _LONGEST_TITLE
    )


@cache
def totals() -> frozenset[str]:
    """Words that begin a line of sums."""
    return frozenset(title_key(str(word)) for word in vocabulary("headers")["totals"])


_LONGEST_TITLE = 80  # characters; a longer cell is a question of its own or a text


def _keys(header: str) -> list[str]:
    """The folded title, then without brackets, then without its number, then without the words that lead in to it."""
    bare = fold(_BRACKETS.sub(" ", header)) or fold(header)
    numbered = _NUMBERED.match(bare)
    last = numbered[1].strip() if numbered else bare
    shorter = [last[len(words) :] for words in titles().lead_ins if last.startswith(words)]
    found = (title_key(header), *(words.replace(" ", "") for words in (bare, last, *shorter)), _loose_key(last))
    return list(dict.fromkeys(key for key in found if key))


def _hint(header: str, keys: Sequence[str]) -> str | None:
    """Why a column is left to a person whatever it holds: also by what stands in brackets, `Email (owner)`."""
    left = titles().left
    inside = [title_key(part) for part in _BRACKETS.findall(header)]
    return next((left[key] for key in (*keys[:1], *inside) if key in left), None)


def _by_title(position: int, header: str, values: ColumnValues) -> ProposedColumn:
    known = titles()
    undecided = ProposedColumn(position, header, None, "")
    keys = _keys(header) if len(header) <= _LONGEST_TITLE else []
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
    if _is_a_consent(header):
        return replace(undecided, why=str(vocabulary("headers")["left"]["consent"]["hint"]))
    return _unknown(undecided, values)


def _checked(column: ProposedColumn, field: str, language: str, values: ColumnValues) -> ProposedColumn:
    if field == "external_id" and values.count > 1 and not values.are_distinct:
        return replace(column, why="titled like an id, but some values stand in several rows: it is not one person's")
    if contradicts(field, values):
        return replace(column, why=f"titled like {field}, but its values are not{_looks(values)}")
    spoken = _LANGUAGES.get(language)
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
    return replace(column, why=f"unknown title{_looks(values)}")


_NAME_PENDING = "name"


def _settle_names(columns: list[ProposedColumn], values: list[ColumnValues]) -> list[ProposedColumn]:
    """`Name`, `Nombre`, `Nome`, `Nom`: what it is depends on whether the other half of a name stands beside it."""
    mapped = {one.field for one in columns}
    settled = []
    for one, evidence in zip(columns, values, strict=True):
        if one.field is not None or one.why != _NAME_PENDING:
            settled.append(one)
            continue
        field = _name_field(title_key(_BRACKETS.sub(" ", one.column)), evidence, mapped)
        why = "title, values and the columns beside it" if evidence.count else "title and the columns beside it"
        if field is None:
            why = f"may be a person's name, part of one, or a company's; its values do not settle it{_looks(evidence)}"
        mapped.add(field)
        settled.append(replace(one, field=field, why=why))
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


def _each_once(columns: Iterable[ProposedColumn]) -> Iterable[ProposedColumn]:
    """The first column keeps the field; of e-mails and phones a second one has a field of its own."""
    taken: dict[str, str] = {}
    for one in columns:
        field = one.field
        if field in taken:
            field = SECOND_FIELDS.get(field or "")
        if one.field is not None and (field is None or field in taken):
            wanted = field or one.field
            yield replace(one, field=None, why=f"{wanted} is read from {taken[wanted]!r} already")
            continue
        if field is not None:
            taken[field] = one.column
        yield one if field == one.field else replace(one, field=field, why=f"{one.why}; a second one")


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
