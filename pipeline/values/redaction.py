"""Takes e-mail addresses and phone numbers out of texts that stand in clear: ids, campaigns, paths, consents.

By their look alone, so that a campaign's number or a product's name stays. What a CRM says of a record loses the values
that were sent to it instead: `connectors/kit/redaction.py`.
"""

from __future__ import annotations

import re
from itertools import pairwise

REDACTED = "(redacted)"
# The sign is looked for first and the text is cut where no address goes on: whatever is sent, each character is read a
# fixed number of times. One pattern for a whole address costs the square of a long text without a sign.
_WITHOUT_BREAK = re.compile(r"[^\s/?&=]+")
_AT = re.compile(r"(?:@|%40)+")
_PHONE = re.compile(r"(?:\+|%2B|\b00)\d[\d\s().-]{7,}\d")


def looks_personal(text: str) -> bool:
    """Whether an e-mail address or an international phone number stands in `text`."""
    if text.isalpha():
        return False
    return (_may_hold_address(text) and any(map(_is_address, _WITHOUT_BREAK.findall(text)))) or bool(
        _PHONE.search(text)
    )


def redact(text: str) -> str:
    """`text` with addresses and numbers replaced."""
    if text.isalpha():
        return text
    if _may_hold_address(text):
        text = _WITHOUT_BREAK.sub(lambda piece: REDACTED if _is_address(piece[0]) else piece[0], text)
    return _PHONE.sub(REDACTED, text)


def _may_hold_address(text: str) -> bool:
    return "@" in text or "%40" in text


def _is_address(piece: str) -> bool:
    """Whether a piece without spaces and slashes holds something, an @, and something with a dot inside."""
    if not _may_hold_address(piece):
        return False
    parts = _AT.split(piece)
    return any(before and _has_inner_dot(after) for before, after in pairwise(parts))


def _has_inner_dot(domain: str) -> bool:
    return 0 < domain.find(".", 1) < len(domain) - 1
