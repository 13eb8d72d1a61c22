"""Whether a reconcile is declared so that it can be asked: each mistake as a sentence that begins with its place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from connectors.kit.errors import ConfigurationError
from connectors.kit.sources.declarations import Connector, Webhook
from connectors.kit.sources.paging.checks import wrong_words
from connectors.kit.sources.paging.windows import WRITTEN
from connectors.kit.sources.reconciling.asking import names_in, polls_of_window
from connectors.kit.sources.reconciling.declared import Reconcile, Window, reconcile_of

_TAKEN = {"from", "to", "parent"}
_A_MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def reconcile_problems(connector: Connector) -> list[str]:
    """What is wrong with a declaration. Empty if nothing is, or if there is none."""
    reconcile, intake = reconcile_of(connector), connector.intake
    if reconcile is None or not isinstance(intake, Webhook):
        return []
    problems = []
    if connector.event_id is None:
        problems.append("reconcile: needs event_id, by which a record is known again")
    if connector.occurred_at is None and reconcile.listed_at is None:
        problems.append("reconcile: needs occurred_at, or listed_at, which tell the day that a record counts for")
    if connector.contact_at and connector.revisions != "add":
        problems.append(
            "reconcile: an id that has several contacts (contact_at) does not tell which of them came,"
            " unless what is said later stands beside it (revisions: add)"
        )
    if "json" not in intake.formats:
        problems.append("reconcile: what `pushed` gives is JSON, which is not one of the formats")
    if reconcile.written not in WRITTEN:
        return [*problems, f"reconcile.written: is {reconcile.written!r}; allowed: {', '.join(WRITTEN)}"]
    return problems + list(_poll_problems(reconcile))


def _poll_problems(reconcile: Reconcile) -> Iterator[str]:
    poll, known = reconcile.poll, {option.name for option in reconcile.options}
    if poll.cursor is not None or any(stream.cursor for stream in poll.streams):
        yield "reconcile.poll: has a cursor; the window says what is asked for: write {from} and {to}"
    if not poll.url.startswith("https://") or "{" in urlsplit(poll.url).netloc:
        yield "reconcile.poll: url begins with https:// and a host that is written out"
    if reconcile.takes_time and "from" not in names_in(poll):
        yield "reconcile.poll: the window goes nowhere: write {from} and {to} into url, params or body"
    if not reconcile.takes_time and "from" in names_in(poll):
        yield "reconcile.takes_time: is False, and {from} stands in the poll"
    if reconcile.each is not None and reconcile.each not in known:
        yield f"reconcile.each: {reconcile.each} is no option"
    if reconcile.lists is not None and reconcile.lists not in known:
        yield f"reconcile.lists: {reconcile.lists} is no option"
    for name in sorted(known & _TAKEN):
        yield f"reconcile.options: {name} has another meaning"
    options = {option.name: option.default or option.name for option in reconcile.options}
    try:
        for asked, _ in polls_of_window(reconcile, Window(_A_MOMENT, _A_MOMENT), options):
            yield from (f"reconcile.poll: {why}" for why in wrong_words(asked))
    except (ConfigurationError, KeyError) as error:
        yield f"reconcile.poll: {error}"
