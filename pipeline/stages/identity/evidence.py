"""What one lead says of who it is, and the keys under which leads that may be the same person's are found.

Leads that say exactly the same are one piece of evidence, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from pipeline.records import Lead
from pipeline.stages.companies import match_form as company_form
from pipeline.stages.email_domains import is_disposable, is_free_mail
from pipeline.stages.email_local_parts import is_placeholder, is_role
from pipeline.stages.email_matching import match_form
from pipeline.stages.identity.name_agreement import Name, name_of, word_forms
from pipeline.stages.phone_matching import match_forms as phone_forms
from pipeline.stages.urls import parse_address
from pipeline.stages.vocabularies import vocabulary

EMAIL, PHONE, PROFILE = "email", "phone", "profile"
STRONG_KINDS = (EMAIL, PHONE, PROFILE)  # sharing one of these needs no name to be worth a look

_LABEL_LETTERS = 8  # of an employer's name: companies and their domains begin alike, and end in many ways
_EMPLOYER_LETTERS = 6  # at least so many must agree where one name begins the other
_PHONES_LIMIT = 8
_LONG_MAILBOX = 6
_EMPLOYER_LIMIT = 60


class Evidence(msgspec.Struct, frozen=True, array_like=True):
    """One lead's evidence, all in match forms: equal texts mean the same thing.

    `is_shared`: the mailbox is nobody's own (info@, a placeholder). `is_work`: its domain is an employer's.
    `employers`: company name and the first label of the work domain, letters and digits only.
    """

    name: Name = ()
    email: str | None = None
    phones: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    employers: tuple[str, ...] = ()
    is_shared: bool = False
    is_work: bool = False

    def __repr__(self) -> str:
        return "<Evidence>"

    @property
    def mailbox(self) -> str:
        return self.email.rpartition("@")[0] if self.email else ""

    @property
    def host(self) -> str:
        return self.email.rpartition("@")[2] if self.email else ""

    @property
    def says_anything(self) -> bool:
        return bool(self.email or self.phones or self.profiles)


def keys_of(evidence: Evidence) -> list[tuple[str, str]]:
    """(kind, value) of every key this evidence is filed and looked up under, strong ones first.

    A pair that can reach the threshold shares at least one of them. Names alone are no key: namesakes are many.
    """
    found = [(EMAIL, evidence.email)] if evidence.email else []
    found += [(PHONE, phone) for phone in evidence.phones]
    found += [(PROFILE, profile) for profile in evidence.profiles]
    name = evidence.name
    if len(name) > 1:
        given = sorted(word_forms(name[0]))
        words = [*given, *(word for word in name[1:] if len(word) > 1)]
        labels = sorted({employer[:_LABEL_LETTERS] for employer in evidence.employers})
        found += [("name_employer", f"{word} {label}") for label in labels for word in words]
        for phone in evidence.phones:  # one wrong digit leaves the head or the tail as it was
            found += [("name_phone", f"{name[1]} {phone[:-5]}_"), ("name_phone", f"{name[1]} _{phone[-5:]}")]
        mailbox = evidence.mailbox
        if mailbox and not evidence.is_shared:
            found += [("name_mailbox", f"{word} {mailbox}") for word in given]
            if len(mailbox) >= _LONG_MAILBOX:
                half = len(mailbox) // 2
                found += [
                    ("name_email", f"{name[1]} {mailbox[:half]}_@{evidence.host}"),
                    ("name_email", f"{name[1]} _{mailbox[half:]}@{evidence.host}"),
                ]
    return list(dict.fromkeys(found))


def same_employer(one: Evidence, other: Evidence) -> bool:
    """Whether the two name the same employer, by company or domain; the longer name may go on where the other ends."""
    return any(
        mine == theirs
        or (min(len(mine), len(theirs)) >= _EMPLOYER_LETTERS and (mine.startswith(theirs) or theirs.startswith(mine)))
        for mine in one.employers
        for theirs in other.employers
    )


def evidence_of(lead: Lead) -> Evidence:
    """What a normalized lead says of who it is. Placeholders (test@, 0000000) say nothing."""
    fields = lead.fields
    name = _name(fields)
    email, is_shared, domain = _mailbox(fields)
    phones = [fields.get("phone"), fields.get("whatsapp_id"), *fields.get("other_phones", ())]
    forms = sorted({phone_forms(phone)[0] for phone in phones if phone})[:_PHONES_LIMIT]
    profiles = _profiles(lead)
    if not (email or forms or profiles) and fields.get("external_id"):
        profiles = (f"{lead.source}:{fields['external_id']}",)
    return Evidence(name, email, tuple(forms), profiles, _employers(fields, domain), is_shared, domain is not None)


def _name(fields: Mapping[str, Any]) -> Name:
    parts = (fields.get("first_name"), fields.get("last_name"))
    return name_of(fields.get("full_name") or " ".join(part for part in parts if part))


def _mailbox(fields: Mapping[str, Any]) -> tuple[str | None, bool, str | None]:
    """(match form of the address, whether it is nobody's own, its domain if that is an employer's)."""
    email = fields.get("email") or next(iter(fields.get("other_emails", ())), None)
    if not email:
        return None, False, None
    local, _, domain = email.rpartition("@")
    if is_placeholder(local, domain):
        return None, False, None
    is_work = not is_free_mail(domain) and not is_disposable(domain)
    is_shared = is_role(local) or local.replace("-", ".").replace("_", ".").partition(".")[0] in _families()
    return match_form(email), is_shared, domain if is_work else None


@cache
def _families() -> frozenset[str]:
    """Words a family's mailbox begins with: family.miller@…"""
    return frozenset(vocabulary("email_roles")["families"])


def _profiles(lead: Lead) -> tuple[str, ...]:
    profile = lead.fields.get("linkedin_url")
    return (f"linkedin:{(parse_address(profile).path or profile).lower().rstrip('/')}",) if profile else ()


def _employers(fields: Mapping[str, Any], domain: str | None) -> tuple[str, ...]:
    found = [company_form(fields.get("company") or "").replace(" ", "")[:_EMPLOYER_LIMIT]]
    if domain:
        found.append(domain.partition(".")[0].replace("-", "")[:_EMPLOYER_LIMIT])
    return tuple(sorted({employer for employer in found if len(employer) > 1}))
