"""Rules of retention that are approved, and runs as they would be in some days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pipeline.privacy import holds
from pipeline.privacy.retention.running import approve_rules, retain
from pipeline.store.engine import transaction
from pipeline.store.holds.holds import Hold
from tests.support.own_ledger import Installation


def rule(what: str, after: str, **more: str) -> dict[str, str]:
    return {"what": what, "after": after, **more}


def approve(installation: Installation, *rules: dict[str, str], **more: Any) -> None:
    """Settings with these rules, approved."""
    installation.configure(retention=list(rules), **more)
    approve_rules("vera")


def go(days: float = 100, seconds: float = 60) -> dict[str, int]:
    """A run as it would be in so many days; gives what went."""
    now = datetime.now(UTC) + timedelta(days=days)
    return {what: count for what, count in retain(budget_seconds=seconds, is_now=True, now=now).counts.items() if count}


def hold(person_id: UUID, kind: str = holds.HOLD) -> Hold:
    with transaction() as connection:
        return holds.place(connection, kind, person_id, reason="case 17", by="vera")
