"""Takes e-mail addresses and phone numbers out of texts that stand in clear: ids, campaigns, paths, consents.

By their look alone, so that a campaign's number or a product's name stays. What a CRM says of a record loses the values
that were sent to it instead: `connectors/kit/redaction.py`.
"""

from __future__ import annotations

import re

REDACTED = "(redacted)"
_PART = r"(?:[^\s/?&=@%]|%(?!40))"  # never an @ itself: thousands of them in a hostile link must not cost seconds
_ADDRESS = re.compile(rf"{_PART}+(?:@|%40)+{_PART}+\.{_PART}+")
_PHONE = re.compile(r"(?:\+|%2B|\b00)\d[\d\s().-]{7,}\d")


def looks_personal(text: str) -> bool:
    """Whether an e-mail address or an international phone number stands in `text`."""
    return not text.isalpha() and bool(_ADDRESS.search(text) or _PHONE.search(text))


def redact(text: str) -> str:
    """`text` with addresses and numbers replaced."""
    return _PHONE.sub(REDACTED, _ADDRESS.sub(REDACTED, text)) if looks_personal(text) else text
