"""Is a polled source that is in use really polled, and does it let us in?"""

from __future__ import annotations

from sqlalchemy import Connection

from connectors.kit import Connector
from connectors.kit.http import session
from connectors.kit.sources.paging.streams import first_list
from connectors.kit.sources.polling import poll_pages
from pipeline.access.sources import how_to_set, rehearsal_access
from pipeline.access.states import CLOSED
from pipeline.access.tokens import connect_command
from pipeline.errors import AfluenteError, TerminalError
from pipeline.health.checks import PROBE_SECONDS, Check, asked, failed, passed
from pipeline.health.polls import PollState, poll_states
from pipeline.settings.edges.outgoing import reach_of_source
from pipeline.settings.loading import Settings
from pipeline.settings.polled_sources import poll_of
from pipeline.store.events.cursors import PollKey, StoredCursor, read_cursors
from pipeline.store.source_tokens import StoredToken, TokenKey, read_tokens


def read_poll_states(known: Settings, *, asks: bool) -> list[PollState]:
    """Of all polled sources. Without the database, or if it is not asked, only what the settings tell."""
    return poll_states(known, *((asked(_read_rows) if asks else None) or ({}, None)))


def check_polled(
    known: Settings, slug: str, connector: Connector, states: list[PollState], missing_token: str | None, *, asks: bool
) -> Check:
    """`states`: the source's own. `missing_token`: the variable of the token that it declares and nobody set. Whether
    it is needed is known from the polls that were, or, if the feed is asked, from one page without it."""
    label = f"source {slug}"
    if why_not := next((state.why_not for state in states if state.why_not is not None), None):
        return failed(label, f"is not polled: {why_not}", "set it in afluente.yaml, then restart the workers")
    if missing_token is not None and getattr(connector.intake, "auth", None) is not None:
        return failed(label, f"has no {missing_token}: it is not let in without", how_to_set(slug, missing_token))
    if (closed := next((state for state in states if state.access in CLOSED), None)) is not None:
        return failed(label, CLOSED[closed.access or ""], f"run {connect_command(slug, closed.brand or '')}")
    if missing_token is None:
        return _check_polls(label, connector, states)
    if any(state.last_run_at is not None and state.last_error is None for state in states):
        return passed(label, f"{connector.title}: mapped; it is read without a token")
    return _check_without_token(known, slug, connector, missing_token, asks=asks)


def _check_without_token(known: Settings, slug: str, connector: Connector, variable: str, *, asks: bool) -> Check:
    label = f"source {slug}"
    remedy = f"set {variable}, or sources.{slug}.token to env:NAME or file:PATH"
    if getattr(connector.intake, "token_required", False):
        return failed(label, "has no token, and gives nothing without one", remedy)
    if not asks:
        return passed(label, f"{connector.title}: mapped; its first poll tells whether it needs a token")
    try:
        _ask_for_a_page(known, slug, connector)
    except TerminalError as error:
        if "credentials" in str(error):
            return failed(label, f"has no token, and is refused without: {error}", remedy)
        return failed(label, str(error), f"is sources.{slug}.url the address of its leads?")
    except AfluenteError as error:
        return failed(label, str(error), f"is sources.{slug}.url right and reachable? It is tried again by itself")
    return passed(label, f"{connector.title}: mapped; it needs no token")


def _check_polls(label: str, connector: Connector, states: list[PollState]) -> Check:
    for state in states:
        if state.last_error is not None:
            return failed(
                label,
                state.last_error,
                f"mend it; it is tried again by itself, or by `afluente source poll {state.source}`",
            )
        if state.problem is not None:
            return failed(label, state.problem, "see what lies there")
    return passed(label, f"{connector.title}: mapped, nothing missing")


def _read_rows(connection: Connection) -> tuple[dict[PollKey, StoredCursor], dict[TokenKey, StoredToken]]:
    return read_cursors(connection), read_tokens(connection)


def _ask_for_a_page(known: Settings, slug: str, connector: Connector) -> None:
    poll = first_list(poll_of(known, slug, connector))
    reach = reach_of_source(known, slug)
    with session(poll.url, timeout_seconds=PROBE_SECONDS, answer_seconds=PROBE_SECONDS, reach=reach) as http:
        for _page in poll_pages(poll, position=None, access=rehearsal_access(known, poll), session=http):
            return
