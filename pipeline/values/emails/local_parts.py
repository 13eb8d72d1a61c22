"""What stands before the @: a person, a function (info@, ventas@), or something typed to get past a required field."""

from __future__ import annotations

from functools import cache

from pipeline.values.emails.domains import is_free_mail
from pipeline.values.vocabularies import vocabulary

_SIGNS = ("-", ".", "_")
_MARKS = str.maketrans("", "", "._-")


def is_role(local_part: str) -> bool:
    """True of a function's mailbox (`mappings/vocabularies/email_roles.yaml`): several people read it, or none."""
    roles = _roles()
    name = local_part.lower()
    if name in roles:
        return True
    if name.isalpha():
        return False
    name = name.partition("+")[0].rstrip("0123456789")
    if name.translate(_MARKS) in roles:
        return True
    return name[-3:-2] in _SIGNS and name[:-3].translate(_MARKS) in roles  # info-mx, sales.uk


def is_placeholder(local_part: str, domain: str) -> bool:
    """True of what was typed instead of an address (`mappings/vocabularies/email_placeholders.yaml`): asdf@asdf.com.

    Both in lower case, the local part without its tag. Words that may be somebody's initials (`na`, `x`) count only at
    free mail, or where the domain is such a word too.
    """
    anywhere, short, domains = _placeholders()
    name = domain.partition(".")[0]
    if local_part in anywhere or name in domains:
        return True
    return local_part in short and (name in short or is_free_mail(domain))


@cache
def _roles() -> frozenset[str]:
    return frozenset(role for roles in vocabulary("email_roles").values() for role in roles)


@cache
def _placeholders() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    entries = vocabulary("email_placeholders")
    return (
        frozenset(entries["local_parts"]),
        frozenset(entries["short_local_parts"]),
        frozenset(entries["domains"]),
    )
