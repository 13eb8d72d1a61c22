"""Why a value is not the golden one: told from the raw text, the truth and who else uses the value, in this order.

A miss is `ours` if the raw text holds the golden value: then it was there to be found. Everything else is a fact about
the lead, which no normalization can or should repair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rapidfuzz.distance import OSA

from pipeline.values.emails.domains import is_free_mail
from pipeline.values.emails.emails import domain_of, suggestion
from pipeline.values.emails.matching import match_form
from pipeline.values.phones.matching import phone_type

OURS = "ours: the text holds the golden value"
_SUBSCRIBER_DIGITS = 8  # at the end of a number; with fewer, strangers would agree by chance
_PREFIXES = ("+", "00")
_SLIPS = 2  # letters or digits wrong, missing, too many or swapped that still are a slip of the same value


@dataclass(frozen=True)
class Case:
    """One raw lead, what became of it, and the truth. `groups` are the traps the data set put it in."""

    raw: dict[str, str]
    fields: dict[str, Any]
    flags: dict[str, list[str]]
    golden: dict[str, str]
    entity_id: str
    company_id: str
    groups: frozenset[str]


class Usage:
    """Who uses a value: persons and companies per phone and e-mail, and whose golden value it is."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self.persons: defaultdict[str, set[str]] = defaultdict(set)
        self.golden: defaultdict[str, set[str]] = defaultdict(set)
        for case in cases:
            for value in (case.fields.get("phone"), case.fields.get("email")):
                if value:
                    self.persons[match_form(value)].add(case.entity_id)
            for column in ("mobile", "personal_email", "work_email"):
                if case.golden[column]:
                    self.golden[match_form(case.golden[column])].add(case.entity_id)

    def others(self, value: str, entity_id: str) -> int:
        return len(self.persons[match_form(value)] - {entity_id})

    def is_golden_of_another(self, value: str, entity_id: str) -> bool:
        return bool(self.golden[match_form(value)] - {entity_id})


def phone_miss(case: Case, golden: str, usage: Usage) -> str:
    """The class of a phone that is not the golden one."""
    digits = "".join(filter(str.isdigit, case.raw["phone"]))
    value, flags = case.fields.get("phone"), case.flags.get("phone", [])
    if value is None and "placeholder" in flags:
        return "placeholder"
    if value is None and not _has_region(case) and not case.raw["phone"].strip().startswith(_PREFIXES):
        return "no prefix, and the lead names neither country nor market: no region to read it in"
    if golden[-_SUBSCRIBER_DIGITS:] in digits:
        return OURS
    if "agent_contact" in case.groups:
        return "another person's: the agent's who passed the lead on"
    if _is_slip(digits[-10:], golden[-10:]):
        return "slip in the raw text: up to two digits off"
    if value is None:
        return "not valid, and not like the golden one"
    return _other_number(case, value, usage)


def _has_region(case: Case) -> bool:
    return bool(case.fields.get("country") or case.fields.get("region"))


def _other_number(case: Case, value: str, usage: Usage) -> str:
    is_shared = usage.others(value, case.entity_id) > 0
    if is_shared and "switchboard" in case.groups:
        return "switchboard of the company"
    if is_shared and "household" in case.groups:
        return "household's line"
    if usage.is_golden_of_another(value, case.entity_id) or "recycled_phone" in case.groups:
        return "another person's: a recycled number"
    if is_shared:
        return "line of several people"
    if phone_type(value) == "fixed":
        return "another line of the same person or office: a fixed one, golden is a mobile"
    return "another number of the same person: an earlier or second one"


def email_miss(case: Case, golden: list[str], usage: Usage) -> str:
    """The class of an e-mail that is neither of the golden ones."""
    value, flags = case.fields.get("email"), case.flags.get("email", [])
    if any(email in case.raw["email"].lower().replace(" ", "") for email in golden):
        return OURS
    if value is None:
        return "placeholder" if "placeholder" in flags else "no address in the raw text"
    forms = [match_form(email) for email in golden]
    meant = suggestion(value)
    if meant and match_form(meant) in forms:
        return "slip in the domain: suggested, not changed"
    if "agent_contact" in case.groups and not is_free_mail(domain_of(value)):
        return "another person's: the agent's who passed the lead on"
    if "role_address" in flags:
        return "role mailbox of the company"
    if usage.others(value, case.entity_id) and "household" in case.groups:
        return "household's mailbox"
    if any(_is_slip(match_form(meant or value), form) for form in forms):
        return "slip in the raw text: up to two letters off"
    if usage.is_golden_of_another(value, case.entity_id):
        return "another person's"
    if not is_free_mail(domain_of(value)):
        return "work address elsewhere, or in another pattern: an earlier job"
    return "another private address of the same person or household"


def country_miss(case: Case) -> str:
    return "unknown spelling" if case.fields.get("country") is None else "another country than the golden one"


def _is_slip(found: str, golden: str) -> bool:
    return OSA.distance(found, golden, score_cutoff=_SLIPS) <= _SLIPS
