"""What counts for and against two pieces of evidence being one person's, each with its match weight in bits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from rapidfuzz.distance import DamerauLevenshtein

from pipeline.identity.matching.employers import are_same
from pipeline.identity.matching.evidence import EMAIL, PHONE, PROFILE, TELLING_DIGITS, Evidence, undotted
from pipeline.identity.matching.name_agreement import CLOSE, FULL, SAME_GIVEN, agreement
from pipeline.identity.matching.rules import IdentityRules

NamesOn = Callable[[str, str], int]  # (kind, value) of a key -> how many names that exclude each other use it

_AGREEING = (FULL, CLOSE)
PHONE_OF_TWO = "phone_of_two"
_HOST_SLIP, _MAILBOX_SLIP = 2, 2
_LEAST_MAILBOX = 5


class MatchWeight(NamedTuple):
    """What a pair has in common, or contradicts each other in: `kind` as in `mappings/identity.yaml`, `weight` in bits,
    less than 0 where it counts against them."""

    kind: str
    weight: float


class Comparison(NamedTuple):
    """A pair weighed: `score` is the sum of its `weights`, which begin with how the names agree."""

    score: float
    weights: tuple[MatchWeight, ...]

    @property
    def names(self) -> str:
        return self.weights[0].kind


def compare(one: Evidence, other: Evidence, names_on: NamesOn, rules: IdentityRules) -> Comparison:
    """All that counts for and against this pair; the same whichever comes first."""
    names = agreement(one.name, other.name)
    kinds = [names, *_of_email(one, other, names, names_on, rules), *_of_phone(one, other, names, names_on, rules)]
    if one.profiles and other.profiles and _have_one_profile(one, other, names_on, rules):
        kinds.append("profile")
    if one.employers and other.employers:
        is_same = are_same(one.employers, other.employers)
        if not (is_same and names == SAME_GIVEN and PHONE_OF_TWO in kinds):  # Robert and Robert at one switchboard
            kinds.append("employer" if is_same else "other_employer")
    if _have_other_contacts(one, other):
        kinds.append("other_contacts")
    weights = tuple(MatchWeight(kind, rules.weights[kind]) for kind in kinds)
    return Comparison(sum(match.weight for match in weights), weights)


def _shared_addresses(one: Evidence, other: Evidence) -> Collection[str]:
    """Of all that each has; most have one."""
    if not (one.others or other.others):
        return (one.email,) if one.email and one.email == other.email else ()
    return {email for email in (one.email, *one.others) if email}.intersection((other.email, *other.others))


def _have_one_profile(one: Evidence, other: Evidence, names_on: NamesOn, rules: IdentityRules) -> bool:
    """What many names use is nobody's profile: a page, a form, a placeholder that a list holds in place of an id."""
    return any(names_on(PROFILE, profile) < rules.of_many for profile in set(one.profiles).intersection(other.profiles))


def _have_other_contacts(one: Evidence, other: Evidence) -> bool:
    """Each has a mailbox and a number of its own, and none is the other's: namesakes at one employer have that."""
    return (
        bool(one.email and other.email and one.phones and other.phones)
        and not (one.is_shared or other.is_shared)
        and not _shared_addresses(one, other)
        and not set(one.phones) & set(other.phones)
    )


def are_two_mailboxes(one: Evidence, other: Evidence, names_on: NamesOn, rules: IdentityRules) -> bool:
    """Two personal mailboxes at one work domain: two colleagues, unless one is the other misspelled.

    Not where they share an address or a profile: one may list the other's as a second of its own, and the record that
    a source keeps under one id gets another address when its person changes names.
    """
    if one.email == other.email or not one.is_work or not other.is_work or one.host != other.host:
        return False
    if _shared_addresses(one, other) or (
        one.profiles and other.profiles and _have_one_profile(one, other, names_on, rules)
    ):
        return False
    if one.is_shared and other.is_shared:
        return _are_numbered(one.mailbox, other.mailbox)
    if any(evidence.is_shared or names_on(EMAIL, evidence.email or "") >= rules.of_many for evidence in (one, other)):
        return False
    is_slip = (
        min(len(one.mailbox), len(other.mailbox)) >= _LEAST_MAILBOX
        and not one.mailbox[-1].isdigit()
        and not other.mailbox[-1].isdigit()  # lopez and lopez2 are two people
        and agreement(one.name, other.name) in _AGREEING
        and _distance(one.mailbox, other.mailbox, _MAILBOX_SLIP) <= _MAILBOX_SLIP
    )
    return not is_slip


def _are_numbered(mailbox: str, other: str) -> bool:
    """sales1 and sales2: who numbers mailboxes gives each to somebody else. info and sales may be read by one."""
    return _word(mailbox) == _word(other) != ""


def _word(mailbox: str) -> str:
    return mailbox.rstrip("0123456789").rstrip("._-")


def _of_email(one: Evidence, other: Evidence, names: str, names_on: NamesOn, rules: IdentityRules) -> list[str]:
    if not one.email or not other.email:
        return []
    shared = _shared_addresses(one, other)
    if shared:
        used = min(
            rules.of_many
            if (one.is_shared and email == one.email) or (other.is_shared and email == other.email)
            else names_on(EMAIL, email)
            for email in shared
        )
        return _by_names("email", used, names, rules)
    if are_two_mailboxes(one, other, names_on, rules):
        return ["two_mailboxes"]
    if names != FULL:  # a slip in a name makes the same slip in its mailbox
        return []
    pairs = [] if one.is_shared or other.is_shared else [(one.email, other.email)]
    if one.others or other.others:  # not each with each: one main address is among them, as most leads have no other
        pairs += [] if one.is_shared else [(one.email, email) for email in other.others]
        pairs += [] if other.is_shared else [(other.email, email) for email in one.others]
    misses = [kind for mine, theirs in pairs if (kind := _near_miss(mine, theirs))]
    return [max(misses, key=lambda kind: (rules.weights[kind], kind))] if misses else []


def _near_miss(one: str, other: str) -> str | None:
    """How two addresses of one name differ, if by so little that they may be one person's."""
    (mailbox, _, host), (other_mailbox, _, other_host) = one.rpartition("@"), other.rpartition("@")
    if host == other_host:
        is_counted = _digits(mailbox) != _digits(other_mailbox)  # maria1 and maria2 are two choices
        return "email_slip" if not is_counted and _distance(mailbox, other_mailbox, 1) <= 1 else None
    if undotted(mailbox) != undotted(other_mailbox):
        return None
    is_telling = len(_digits(mailbox)) >= TELLING_DIGITS
    return "email_moved" if is_telling or _distance(host, other_host, _HOST_SLIP) <= _HOST_SLIP else None


def _of_phone(one: Evidence, other: Evidence, names: str, names_on: NamesOn, rules: IdentityRules) -> list[str]:
    if not one.phones or not other.phones:
        return []
    shared = set(one.phones) & set(other.phones)
    if shared:
        return _by_names("phone", min(names_on(PHONE, phone) for phone in shared), names, rules)
    if names not in _AGREEING or (one.email and other.email and not _shared_addresses(one, other)):
        return []
    if any(
        len(mine) == len(theirs) and _distance(mine, theirs, 1) <= 1 for mine in one.phones for theirs in other.phones
    ):
        return ["phone_slip"]
    return []


def _by_names(kind: str, used: int, names: str, rules: IdentityRules) -> list[str]:
    """What many use says something only of two leads with one full name: all the others there share it as well."""
    if used >= rules.of_many:
        return [f"{kind}_of_many"] if names in _AGREEING else []
    return [f"{kind}_of_two" if used >= rules.of_two else kind]


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _distance(one: str, other: str, limit: int) -> int:
    return DamerauLevenshtein.distance(one, other, score_cutoff=limit)
