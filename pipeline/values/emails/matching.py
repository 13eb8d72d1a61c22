"""The form of an address that is compared, apart from the one that is stored: two spellings of one mailbox are equal.

What is done, and why not more:

- A plus tag is cut off at every domain: Gmail, Workspace, Microsoft 365, Outlook, iCloud, Fastmail, Proton and Postfix
  deliver `ada+web@` to `ada@`, and an `ada+web` that is another person than `ada` is practically unknown.
- Dots are dropped at Gmail only (support.google.com/mail/answer/7436150); elsewhere two people may differ by one.
- Domains that are one mailbox by their provider's documentation are one here: googlemail.com, me.com, pm.me.
- Yahoo's `name-keyword@` is left: that name is not the mailbox's own address, so cutting would match nobody.
"""

from __future__ import annotations

from functools import cache, lru_cache

from pipeline.values.vocabularies import vocabulary


@lru_cache(maxsize=8192)
def match_form(email: str) -> str:
    """The comparable form of an address in its one spelling; stays as it is when applied again.

    Of Ada.Brandt+web@googlemail.com: adabrandt@gmail.com. Text that is no address is only lower-cased.
    """
    local, at, domain = email.lower().rpartition("@")
    return "@".join(mailbox(local, domain)) if at and local else email.lower()


def mailbox(local_part: str, domain: str) -> tuple[str, str]:
    """(local part, domain) of the mailbox an address in its one spelling is delivered to."""
    same_mailbox, dots_ignored = _providers()
    domain = same_mailbox.get(domain, domain)
    if local_part[0] == '"':  # quoted: plus and dot are letters like others
        return local_part, domain
    if "+" in local_part:
        # `ada.+web` leaves `ada.`, which is no local part. What begins with a plus has no name before its tag.
        local_part = local_part.partition("+")[0].rstrip(".") or local_part
    if "." in local_part and domain in dots_ignored:
        local_part = local_part.replace(".", "") or local_part
    return local_part, domain


@cache
def _providers() -> tuple[dict[str, str], frozenset[str]]:
    entries = vocabulary("email_domains")
    same = {other: main for main, others in entries["one_mailbox"].items() for other in others}
    return same, frozenset(entries["dots_ignored"])
