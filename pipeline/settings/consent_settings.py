"""What afluente.yaml says of consent: what a destination needs before anybody is sent there.

A question is written PURPOSE.CHANNEL, as `marketing.email`, or as an object of `purpose` and `channel`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Problem = tuple[str, str]
_WRITTEN = re.compile(r"[^.\s]+\.[^.\s]+")
_KEYS = {"purpose", "channel"}


def needed_question(needs: str | Mapping[str, Any] | None, brand: str) -> tuple[str, str] | None:
    """What people of a brand must have granted, (purpose, channel) as it is written; None: nothing.

    `needs`: a question for all brands, or one by brand.
    """
    if needs is None:
        return None
    if isinstance(needs, str):
        purpose, _, channel = needs.partition(".")
        return purpose, channel
    if set(needs) == _KEYS and all(isinstance(word, str) for word in needs.values()):
        return needs["purpose"], needs["channel"]
    return needed_question(needs.get(brand), brand)


def problems_of_need(needs: Any, place: str, brands: set[str]) -> Iterator[Problem]:
    """What is wrong with `needs_consent`, beside its type."""
    if isinstance(needs, str):
        if not _WRITTEN.fullmatch(needs):
            yield place, f"{needs!r} names no question; write PURPOSE.CHANNEL, as marketing.email"
    elif isinstance(needs, dict) and set(needs) != _KEYS:
        for brand, question in needs.items():
            if brand not in brands:
                yield place, f"{brand} is not among brands ({', '.join(sorted(map(str, brands)))})"
            elif isinstance(question, dict) and set(question) != _KEYS:
                yield f"{place}.{brand}", "names no question; write PURPOSE.CHANNEL, or purpose and channel"
            elif isinstance(question, str):
                yield from problems_of_need(question, f"{place}.{brand}", brands)
