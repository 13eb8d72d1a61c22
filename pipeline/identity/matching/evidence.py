"""What one lead says of who it is, and the keys under which leads that may be the same person's are found.

Leads that say exactly the same are one piece of evidence, however many there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

import msgspec

from pipeline.identity.matching.employers import employers_of, labels
from pipeline.identity.matching.name_agreement import Name, name_of, word_forms
from pipeline.records import Lead
from pipeline.stages.attribution.urls import parse_address
from pipeline.values.emails.domains import is_disposable, is_free_mail
from pipeline.values.emails.local_parts import is_placeholder, is_role
from pipeline.values.emails.matching import match_form
from pipeline.values.names.words import GIVEN, word_kind
from pipeline.values.phones.matching import match_forms as phone_forms
from pipeline.values.vocabularies import vocabulary

EMAIL, PHONE, PROFILE = "email", "phone", "profile"
STRONG_KINDS = (EMAIL, PHONE, PROFILE)  # sharing one of these needs no name to be worth a look
# Raise it when `keys_of` gives any piece other keys: `afluente migrate` then files all evidence anew, and leads wait.
KEYS_VERSION = 1

_PHONES_LIMIT = 8
_OTHERS_LIMIT = 8
_LEAST_FAMILY = 3  # letters
TELLING_DIGITS = 2  # maria83 is chosen again at another provider; maria is not

_SIGNS = re.compile(r"[._-]")
_SIGNS_AND_DIGITS = str.maketrans("", "", "._-0123456789")


class Evidence(msgspec.Struct, frozen=True, array_like=True):
    """One lead's evidence, all in match forms: equal texts mean the same thing.

    `is_shared`: the mailbox is nobody's own (info@, a placeholder). `is_work`: its domain is an employer's.
    `employers`: company name and the first label of the work domain, as `employers_of` writes them.
    `others`: further addresses, of those that are somebody's own; only beside an `email`, which `is_shared` and
    `is_work` are about.
    """

    name: Name = ()
    email: str | None = None
    phones: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    employers: tuple[str, ...] = ()
    is_shared: bool = False
    is_work: bool = False
    others: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "<Evidence>"

    @property
    def mailbox(self) -> str:
        return self.email.rpartition("@")[0] if self.email else ""

    @property
    def host(self) -> str:
        return self.email.rpartition("@")[2] if self.email else ""


def undotted(mailbox: str) -> str:
    """As Gmail has it already: for comparing with the mailbox at another provider."""
    return mailbox.replace(".", "")


def keys_of(evidence: Evidence) -> list[tuple[str, str]]:
    """(kind, value) of every key this evidence is filed and looked up under, strong ones first.

    Nearly all pairs that can reach the threshold share one. Near misses of private mailboxes and an employer's initials
    are weighed where another key brings two together, and are none themselves: they found next to nobody whom nothing
    else found, for a third of what a lead costs. Names alone are no key: namesakes are many.
    """
    keys = [(EMAIL, evidence.email)] if evidence.email else []
    if evidence.others:
        keys += [(EMAIL, email) for email in evidence.others]
    keys += [(PHONE, phone) for phone in evidence.phones]
    keys += [(PROFILE, profile) for profile in evidence.profiles]
    name = evidence.name
    if len(name) > 1:
        given = sorted(word_forms(name[0]))
        initials = sorted({word[:1] for word in given})
        others = [word for word in name[1:] if len(word) > 1]
        # One word whole, of another the first letter: a slip or a short name spoils one of the two; blocks stay small.
        bearers = [f"{word} {other[:1]}" for word in given for other in name[1:]]
        bearers += [f"{other} {initial}" for other in others for initial in initials]
        keys += [("name_employer", f"{who} {label}") for label in labels(evidence.employers) for who in bearers]
        # Two whole words of the name keep these rare: no stranger can crowd them, and a million people have the heads
        # of numbers. Between agreeing names one wrong digit leaves the head or the tail as it was.
        bearers = [f"{word} {name[1]}" for word in given]
        if evidence.email:
            keys += [_with_mailbox(who, evidence.email) for who in bearers]
        for phone in evidence.phones:
            for who in bearers:
                keys += [("name_phone", f"{who} {phone[:-4]}_"), _with_tail(who, phone)]
    return list(dict.fromkeys(keys))


def own_key(evidence: Evidence, kind: str, value: str) -> tuple[str, str]:
    """Of the keys of this evidence one that all who have this strong key and the very same name have too, and of other
    names hardly anybody; without a whole name the strong key itself.
    """
    if len(evidence.name) > 1:
        who = f"{min(word_forms(evidence.name[0]))} {evidence.name[1]}"
        if kind == EMAIL and value == evidence.email:
            return _with_mailbox(who, value)
        if kind == PHONE:
            return _with_tail(who, value)
    return kind, value


def _with_mailbox(who: str, email: str) -> tuple[str, str]:
    return "name_email", f"{who} {email}"


def _with_tail(who: str, phone: str) -> tuple[str, str]:
    return "name_phone", f"{who} _{phone[-4:]}"


def evidence_of(lead: Lead) -> Evidence:
    """What a normalized lead says of who it is. Placeholders (test@, 0000000) say nothing."""
    fields = lead.fields
    name = _name(fields)
    email, more = _addresses(fields) if "other_emails" in fields else (fields.get("email"), [])
    form, is_shared, domain = _mailbox(email, name)
    others = _others(more, name, form) if more else ()
    if email and form and not name and not is_shared:
        name = _name_in(email)
    phones = [fields.get("phone"), fields.get("whatsapp_id"), *fields.get("other_phones", ())]
    forms = sorted({phone_forms(phone)[0] for phone in phones if phone})[:_PHONES_LIMIT]
    profiles = _profiles(lead)
    employers = employers_of(fields.get("company") or "", domain)
    return Evidence(name, form, tuple(forms), profiles, employers, is_shared, domain is not None, others)


def _name(fields: Mapping[str, Any]) -> Name:
    parts = (fields.get("first_name"), fields.get("last_name"))
    return name_of(fields.get("full_name") or " ".join(part for part in parts if part))


def _addresses(fields: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The main address of a lead that has several, and the others, but for placeholders."""
    given = [fields.get("email"), *fields["other_emails"]]
    emails = [email for email in given if email and not _is_placeholder(email)]
    return (emails[0], emails[1:]) if emails else (None, [])


def _is_placeholder(email: str) -> bool:
    local, _, domain = email.rpartition("@")
    return is_placeholder(local, domain)


def _mailbox(email: str | None, name: Name) -> tuple[str | None, bool, str | None]:
    """(match form of the address, whether it is nobody's own, its domain if that is an employer's)."""
    if not email:
        return None, False, None
    local, _, domain = email.rpartition("@")
    if is_placeholder(local, domain):
        return None, False, None
    is_work = not is_free_mail(domain) and not is_disposable(domain)
    return match_form(email), _is_of_several(local, name), domain if is_work else None


def _others(emails: Iterable[str], name: Name, main: str | None) -> tuple[str, ...]:
    """In match form, those that are somebody's own."""
    own = {match_form(email) for email in emails if not _is_of_several(email.rpartition("@")[0], name)}
    return tuple(sorted(own - {main}))[:_OTHERS_LIMIT]


def _is_of_several(local: str, name: Name) -> bool:
    """A function's mailbox, or a family's."""
    return is_role(local) or _is_of_family(local, name)


def _is_of_family(local: str, name: Name) -> bool:
    """family.miller@, and famtamayo@ of somebody called Tamayo."""
    first = _SIGNS.split(local, maxsplit=1)[0].rstrip("0123456789")
    if first in _families():
        return True
    letters = local.translate(_SIGNS_AND_DIGITS)
    return any(len(word) >= _LEAST_FAMILY and letters.removesuffix(word) in _homes() for word in name[1:])


@lru_cache(maxsize=4096)
def _name_in(email: str) -> Name:
    """The name that a mailbox like ada.brandt@ spells; none where no part is a frequent given name."""
    words = _SIGNS.split(email.partition("@")[0].rstrip("0123456789"))
    if len(words) != 2 or not all(word.isalpha() and len(word) >= _LEAST_FAMILY for word in words):
        return ()
    given = [word for word in words if word_kind(word) & GIVEN]
    return name_of(" ".join(words if words[0] in given else reversed(words))) if given else ()


@cache
def _families() -> frozenset[str]:
    """Words a family's mailbox begins with: family.miller@…"""
    return frozenset(vocabulary("email_roles")["families"])


@cache
def _homes() -> frozenset[str]:
    return _families() | {"the", "casa", "haus", "home", "lar", "los", "die"}


def _profiles(lead: Lead) -> tuple[str, ...]:
    """Where else this person is kept: a public profile, and the record that the source knows by an id of its own.

    Beside an address too: who changes address keeps the id. The id of a submission is a `submission_id`: none of these.
    """
    profile, own_id = lead.fields.get("linkedin_url"), lead.fields.get("external_id")
    profiles = (f"linkedin:{(parse_address(profile).path or profile).lower().rstrip('/')}",) if profile else ()
    return tuple(sorted((*profiles, f"{lead.source}:{own_id}"))) if own_id else profiles
