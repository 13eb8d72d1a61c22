"""The employer a lead names, by company or by the domain of a work address, and whether two leads name the same one.

Letters and digits only, without legal form and without any "and": `Elorza y Hurtado Asociados, S.C.` is
`elorzahurtadoasociados`, and `.eha` for those who write its initials. A domain cannot say where one word ends, so the
"and" in `elorzayhurtadoasociados.mx` stays, and is forgiven where the two are compared.
"""

from __future__ import annotations

from functools import lru_cache

from pipeline.values.companies.companies import match_form

_LIMIT = 60
_ALIKE_LETTERS = 6  # at least so many must agree where one name begins the other
_LABEL_LETTERS = 8  # companies and their domains begin alike, and end in many ways
_ACRONYM = "."  # before initials made here; what somebody wrote has none
_LEAST_INITIALS = 3
_MOST_INITIALS = 5
_CONJUNCTIONS = ("y", "e", "and", "und", "i", "u", "n", "et", "o")  # within a domain


def employers_of(company: str, domain: str | None) -> tuple[str, ...]:
    """The names of the employer, in order: of the company as written and of this domain of a work address."""
    named = _of_company(company) if company else ()
    label = _of_domain(domain) if domain else ""
    return tuple(sorted({*named, label})) if len(label) > 1 else named


@lru_cache(maxsize=16_384)
def are_same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether any of these and any of those are one employer's; the longer name may go on where the other ends."""
    return any(_are_alike(mine, theirs) for mine in one for theirs in other)


def labels(employers: tuple[str, ...]) -> list[str]:
    """How each begins, for looking candidates up: employers that are the same share one, save initials and slips."""
    return sorted({employer[:_LABEL_LETTERS] for employer in employers if not employer.startswith(_ACRONYM)})


@lru_cache(maxsize=8192)
def _of_company(company: str) -> tuple[str, ...]:
    site = _site(company)
    if site:
        return (site,)
    words = [word for word in match_form(company).split() if word != "and"]
    name = "".join(words)[:_LIMIT]
    if len(name) < 2:
        return ()
    if _LEAST_INITIALS <= len(words) <= _MOST_INITIALS:
        return (_ACRONYM + "".join(word[0] for word in words), name)
    return (name,)


def _site(company: str) -> str:
    """The name in a company given as its website: kairotech of www.kairotech.mx."""
    text = company.strip().lower()
    if "." not in text or " " in text:
        return ""
    host = text.partition("://")[2] or text
    parts = host.partition("/")[0].removeprefix("www.").split(".")
    is_host = len(parts) > 1 and len(parts[0]) >= _ALIKE_LETTERS - 2 and all(part.isalpha() for part in parts[1:])
    return _of_domain(".".join(parts)) if is_host else ""


def _of_domain(domain: str) -> str:
    return domain.partition(".")[0].replace("-", "")[:_LIMIT]


def _are_alike(one: str, other: str) -> bool:
    if one == other:
        return not one.startswith(_ACRONYM)  # initials made of two names: many have the same
    if one[0] == _ACRONYM or other[0] == _ACRONYM:
        return one.removeprefix(_ACRONYM) == other.removeprefix(_ACRONYM)
    if min(len(one), len(other)) < _ALIKE_LETTERS:
        return False
    if one.startswith(other) or other.startswith(one):
        return True
    alike = next(place for place, (mine, theirs) in enumerate(zip(one, other, strict=False)) if mine != theirs)
    return alike > 1 and (_say_and(one, other, alike) or _say_and(other, one, alike))


def _say_and(one: str, other: str, place: int) -> bool:
    """Whether `one` has an "and" at this place, and goes on as `other` does."""
    for word in _CONJUNCTIONS:
        if one.startswith(word, place):
            mine, theirs = one[place + len(word) :], other[place:]
            if mine and theirs and (mine.startswith(theirs) or theirs.startswith(mine)):
                return True
    return False
