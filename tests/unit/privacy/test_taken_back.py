"""When somebody took back the consent on which their data lie: by the word of each of their addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.privacy.consent_states import Statement
from pipeline.privacy.retention.withdrawals import withdrawn_at

POST, ANY = "marketing.post", "marketing.any"
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def says(granted: bool | None, on: int, by: str = "a@example.org", question: str = "marketing.email", **more: Any):
    purpose, channel = question.split(".")
    return Statement(purpose, channel, granted, day(on), by, **more)


@pytest.mark.parametrize(
    ("statements", "at"),
    [
        ([], None),
        ([says(False, 1)], None),
        ([says(True, 1), says(False, 2)], day(2)),
        ([says(True, 1), says(False, 2), says(True, 3)], None),
        ([says(True, 1), says(False, 2, act="withdrawal"), says(True, 3)], day(2)),
        ([says(True, 1), says(False, 2, act="withdrawal"), says(True, 3, act="confirmed")], None),
        ([says(True, 1), says(False, 2), says(True, 1, by="b@example.org")], None),  # the other address still agrees
        ([says(True, 1), says(False, 2, by="b@example.org")], None),
        ([says(True, 1), says(False, 2, by="b@example.org", act="objection")], day(2)),  # about the person
        ([says(True, 1), says(False, 2), says(True, 3, question="news.email")], None),
        ([says(True, 1), says(False, 2), says(True, 3, question="news.email", is_superseded=True)], day(2)),
        ([says(True, 1, is_superseded=True), says(False, 2)], day(2)),
        ([says(True, 1), says(True, 1, question=POST), says(False, 4, question=ANY, act="withdrawal")], day(4)),
        ([says(True, 1), says(False, 2), says(None, 1, question="service.any", legal_basis="contract")], None),
        ([says(True, 1, legal_basis="contract"), says(False, 2)], day(2)),
        ([says(None, 1, act="pending"), says(False, 2)], None),
    ],
)  # fmt: skip
def test_of_any_purpose(statements, at):
    assert withdrawn_at(statements, None, now=NOW) == at


def test_of_the_purpose_that_is_named():
    said = [says(True, 1), says(False, 2), says(True, 1, question="news.email"), says(False, 3, question="news.email")]
    assert [withdrawn_at(said, purpose, now=NOW) for purpose in ("marketing", "news", "other", None)] == [
        day(2), day(3), None, day(3),
    ]  # fmt: skip
