"""How the polls of each source go: where it was read to, when the next is due, what is wrong, why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from connectors.kit.errors import ConfigurationError
from connectors.kit.registry import sources
from connectors.kit.sources.collected.kinds import Collected
from connectors.kit.sources.positions import Position
from pipeline.access.states import AccessState, state_in_force
from pipeline.settings.loading import Settings
from pipeline.settings.polled_sources import PolledSource, polled_sources
from pipeline.store.events.cursors import PollKey, StoredCursor
from pipeline.store.source_tokens import StoredToken, TokenKey

_SHOWN_PARENTS = 3


class PollState(msgspec.Struct, frozen=True):
    """A polled source of a brand, or one stream of it (`leads`, and `leads/ID` for each of its parents).

    `cursor`: the value or token that is read on from, as the source wrote it; `page`: the one that is read next, while
    a run is under way or was cut short. `why_not`: why it is not polled, else None. `note`: what the polls had to say
    last, at `noted_at`. `is_wanted`: somebody set it up. `access`: for one that is let in by tokens, how it stands with
    them (pipeline/access/states.py), and until when the one at hand holds. `problem`: what a human should look at
    although it is collected.
    """

    source: str
    brand: str | None
    stream: str
    why_not: str | None
    cursor: str | None
    page: int | None
    last_run_at: datetime | None
    next_run_at: datetime | None
    is_running: bool
    last_error: str | None
    failures: int
    note: str | None
    noted_at: datetime | None
    is_wanted: bool
    access: str | None = None
    access_until: datetime | None = None
    problem: str | None = None


def poll_states(
    known: Settings,
    cursors: Mapping[PollKey, StoredCursor],
    tokens: Mapping[TokenKey, StoredToken] | None = None,
) -> list[PollState]:
    """Every declared source that is polled, by name and brand. `tokens` None: nobody looked."""
    return [
        _state(
            source,
            stream,
            cursors.get((source.brand, source.slug, stream)) if source.brand is not None else None,
            _access(known, source, tokens),
        )
        for source in polled_sources(known, sources())
        for stream in _streams(source, cursors)
    ]


def _streams(source: PolledSource, cursors: Mapping[PollKey, StoredCursor]) -> list[str]:
    """The declared ones, each followed by those that are read for its parents."""
    kept = sorted(
        stream for brand, slug, stream in cursors if (brand, slug) == (source.brand, source.slug) and "/" in stream
    )
    return [
        name
        for declared in source.streams
        for name in (declared, *(stream for stream in kept if stream.startswith(f"{declared}/")))
    ]


def find_poll_problems(states: list[PollState]) -> list[str]:
    """Sources that fail, and such as somebody set up and that are never polled, as sentences."""
    problems = []
    for group in _groups(states):
        state = group[0]
        name = _named(state)
        if len(group) > 1:
            problems.append(_of_parents(group, sum(_parent_of(other) == _parent_of(state) for other in states)))
        elif state.why_not is not None and state.is_wanted:
            problems.append(f"{name} is not polled: {state.why_not}")
        elif state.why_not is None and state.last_error is not None:
            problems.append(
                f"{name}: {state.last_error}; tried again at {_due(state)}, or at once by `afluente source poll"
                f" {state.source}`"
            )
        problems += [f"{_named(each)}: {each.problem}" for each in group if each.problem is not None]
    return problems


def _groups(states: list[PollState]) -> list[list[PollState]]:
    """Each alone, but the failing parents of one stream together: they fail for one reason more often than not."""
    groups: dict[object, list[PollState]] = {}
    for number, state in enumerate(states):
        parent_of = _parent_of(state)
        is_failing = parent_of is not None and state.why_not is None and state.last_error is not None
        groups.setdefault(parent_of if is_failing else number, []).append(state)
    return list(groups.values())


def _parent_of(state: PollState) -> tuple[str, str | None, str] | None:
    """The stream that is read for many parents, of whom this is one; None for another."""
    declared, _, parent = state.stream.partition("/")
    return (state.source, state.brand, declared) if parent else None


def _of_parents(group: list[PollState], count: int) -> str:
    state, stream = group[0], group[0].stream.partition("/")[0]
    shown = ", ".join(each.stream for each in group[:_SHOWN_PARENTS]) + (", …" if len(group) > _SHOWN_PARENTS else "")
    more = {each.last_error for each in group} - {state.last_error}
    others = f" ({len(more)} other errors: `afluente source status {state.source}`)" if more else ""
    first = min(group, key=lambda each: (each.next_run_at is not None, each.next_run_at or datetime.now(UTC)))
    return (
        f"{_named(state, stream)}: {len(group)} of its {count} parents cannot be read ({shown}):"
        f" {state.last_error}{others}; tried again from {_due(first)} on, or at once by"
        f" `afluente source poll {state.source} --stream {stream}`"
    )


def _named(state: PollState, stream: str | None = None) -> str:
    stream = state.stream if stream is None else stream
    brand = f"{',' if stream else ''} of {state.brand}" if state.brand not in (None, "default") else ""
    return f"source {state.source}{f', stream {stream}' if stream else ''}{brand}"


def _due(state: PollState) -> str:
    return state.next_run_at.astimezone(UTC).strftime("%H:%M:%S UTC") if state.next_run_at else "soon"


def _access(known: Settings, source: PolledSource, tokens: Mapping[TokenKey, StoredToken] | None) -> AccessState | None:
    if source.brand is None:
        return None
    return state_in_force(known, source.slug, source.brand, source.connector, tokens)


def _state(source: PolledSource, stream: str, row: StoredCursor | None, access: AccessState | None) -> PollState:
    position, intake = _position(row), source.connector.intake
    collected = intake if isinstance(intake, Collected) else None
    at = row.position if row else None
    now = datetime.now(UTC)
    return PollState(
        source=source.slug,
        brand=source.brand,
        stream=stream,
        why_not=source.why_not,
        cursor=collected.told(at) if collected else position.token or position.after or position.greatest,
        page=position.page,
        last_run_at=row.last_run_at if row else None,
        next_run_at=row.next_run_at if row and source.why_not is None else None,
        is_running=bool(row and row.held_until and row.held_until > now),
        last_error=row.last_error if row else None,
        failures=row.failures if row else 0,
        note=row.note if row else None,
        noted_at=row.noted_at if row else None,
        is_wanted=source.is_wanted,
        access=access.state if access else None,
        access_until=access.expires_at if access else None,
        problem=collected.problem(at) if collected else None,
    )


def _position(row: StoredCursor | None) -> Position:
    try:
        return Position.parse(row.position if row else None)
    except ConfigurationError:
        return Position()  # the next poll says so
