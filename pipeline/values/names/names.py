"""Names of people in one spelling: case repaired where it was lost, what is no name taken off or flagged.

`splitting` tells given from family names, `completion` fills the parts a lead left empty.
"""

from __future__ import annotations

from functools import lru_cache

from pipeline.values.names.case import repair_case
from pipeline.values.names.checks import Checked, check_name, is_plain_name
from pipeline.values.names.credentials import without_credentials
from pipeline.values.names.splitting import turn_round, without_titles
from pipeline.values.normalized import Normalized
from pipeline.values.text.text import clean_line, normalize_line, raw_excerpt

__all__ = [
    "normalize_family_name",
    "normalize_full_name",
    "normalize_given_name",
    "repair_case",
]


def normalize_given_name(text: str) -> Normalized:
    """A given name, or several; a title in front comes off (`title_removed`)."""
    if is_plain_name(text):
        return Normalized(text)
    return _with_raw(_part(text, is_family=False), text)


def normalize_family_name(text: str) -> Normalized:
    """A family name, or several; it may begin with a particle (`de la Cruz`)."""
    if is_plain_name(text):
        return Normalized(text)
    return _with_raw(_part(text, is_family=True), text)


def normalize_full_name(text: str) -> Normalized:
    """A whole name, with title, nickname and degrees; `Brandt, Ada` is turned round and flagged `last_first`."""
    if is_plain_name(text):
        return Normalized(text)
    return _with_raw(_whole(text), text)


@lru_cache(maxsize=8192)
def _part(text: str, *, is_family: bool) -> Normalized:
    checked, flags = _checked(text)
    name = checked.value
    if name is None or not checked.is_person:
        return Normalized(_unshouted(name, flags, is_family=is_family), flags)
    bare = " ".join(without_titles(name.split()))
    if bare and bare != name:
        return _flagged(_part(bare, is_family=is_family), (*flags, "title_removed"))
    bare = without_credentials(name)
    if bare != name:
        return _flagged(_part(bare, is_family=is_family), (*flags, "credentials_removed"))
    return Normalized(_repaired(name, is_family=is_family), flags)


@lru_cache(maxsize=8192)
def _whole(text: str) -> Normalized:
    checked, flags = _checked(text)
    name = checked.value
    if name is None or not checked.is_person:
        return Normalized(_unshouted(name, flags, is_family=False), flags)
    turned = turn_round(name)
    if turned is not None:
        return _flagged(_whole(turned), (*flags, "last_first"))
    return Normalized(_repaired(name, is_family=False), flags)


def _checked(text: str) -> tuple[Checked, tuple[str, ...]]:
    """What is left of the text as a name, and every flag on the way there."""
    flags: tuple[str, ...] = ()
    while True:  # until nothing changes: what comes off may lay bare what the first look could not see
        line = normalize_line(text)
        if line.value is None:
            reasons = [flag if flag != "blank" or not clean_line(text) else "placeholder" for flag in line.flags]
            return Checked(None, is_person=False), tuple(dict.fromkeys((*flags, *reasons)))
        checked = check_name(line.value)
        flags = tuple(dict.fromkeys((*flags, *line.flags, *checked.flags)))
        if checked.value is None or checked.value == text:
            return checked, flags
        text = checked.value


def _flagged(shorter: Normalized, flags: tuple[str, ...]) -> Normalized:
    """What became of a shorter text, with the flags from the way there too."""
    return Normalized(shorter.value, tuple(dict.fromkeys((*flags, *shorter.flags))))


def _unshouted(name: str | None, flags: tuple[str, ...], *, is_family: bool) -> str | None:
    """Companies keep their capitals: `ACME GMBH` has no other spelling that we know."""
    return name if name is None or "company_in_name" in flags else _repaired(name, is_family=is_family)


def _repaired(name: str, *, is_family: bool) -> str:
    """Case repaired, unless that makes it look like damaged text (`Ü¯`), which cleaning would change again."""
    titled = repair_case(name, is_family=is_family)
    if titled == name or titled.isascii() or normalize_line(titled).value == titled:
        return titled
    return name


def _with_raw(normalized: Normalized, text: str) -> Normalized:
    if normalized.value == text or not text:
        return normalized
    return normalized._replace(raw=raw_excerpt(text))
