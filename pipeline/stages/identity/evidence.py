"""What one lead says of who it is, and the keys under which leads that may be the same person's are found.

Leads that say exactly the same are one piece of evidence, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline.stages.identity.name_agreement import Name, name_words, word_forms

EMAIL, PHONE, PROFILE = "email", "phone", "profile"
STRONG_KINDS = (EMAIL, PHONE, PROFILE)  # sharing one of these needs no name to be worth a look

_LABEL_LETTERS = 8  # of an employer's name: companies and their domains begin alike, and end in many ways
_EMPLOYER_LETTERS = 6  # at least so many must agree where one name begins the other
_PHONES_LIMIT = 8
_LONG_MAILBOX = 6


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
