"""What leads that are mapped anew say of consent, against what they said when they came. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from pipeline.records import PENDING
from pipeline.store.people.consents import ConsentRow


class RewrittenConsents(NamedTuple):
    """`news` take the place of what their events said of the same, `gone` are said no more. `turned`, as they are
    stored, say another thing now."""

    news: set[ConsentRow]
    gone: set[ConsentRow]
    turned: set[ConsentRow]


def rewrite_answers(stored: Collection[ConsentRow], said: Collection[ConsentRow]) -> RewrittenConsents:
    """A refusal that is read no more stays: it was given. A grant that is read no more does not, and none takes the
    place of a withdrawal. Whether a tick was to be confirmed is as it was when it came, whatever is asked for today: a
    second run, or one by other settings, changes nothing."""
    withdrawn = {row[:3] for row in stored if row.is_withdrawal}
    known = {row[:3]: row for row in stored if row[:3] not in withdrawn}
    read = {_as_it_came(row, known.get(row[:3])) for row in said if row[:3] not in withdrawn}
    before = set(known.values())
    answers = {row[:3]: row.granted for row in read}
    others = before - read
    return RewrittenConsents(
        read - before,
        {row for row in others if row[:3] not in answers and row.granted is not False},
        {row for row in others if row[:3] in answers and answers[row[:3]] is not row.granted},
    )


def _as_it_came(row: ConsentRow, known: ConsentRow | None) -> ConsentRow:
    if known is None:
        return row
    if row.act == PENDING and known.granted is True and known.act is None:
        return row._replace(granted=True, act=None)
    if known.act == PENDING and row.granted is True and row.act is None:
        return row._replace(granted=None, act=PENDING)
    return row
