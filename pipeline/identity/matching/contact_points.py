"""Which of somebody's addresses and numbers a question of consent is about."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.identity.matching.evidence import EMAIL, PHONE, Evidence

NUMBER_CHANNELS = ("phone", "sms", "whatsapp")  # that go to a number

Point = tuple[str, str]  # kind, and value in match form


def points_about(evidence: Evidence, channel: str) -> Sequence[Point]:
    """The numbers where a question is about calls or messages, else the e-mail; what is known of the other kind where
    there is none."""
    emails = [(EMAIL, evidence.email)] if evidence.email else []
    numbers = [(PHONE, phone) for phone in evidence.phones]
    return (numbers or emails) if channel in NUMBER_CHANNELS else (emails or numbers)
