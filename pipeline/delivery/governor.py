"""The shared quota of one account of a CRM, whatever the number of workers, machines and destinations that use it.

A token bucket and any number of windows, granted all or none by a Lua script on Redis's clock
(docs/decisions/0011-governor.md). It slows down for everybody when one worker is refused, and speeds up again by
itself; it sees in what the CRM says how much other applications of the account call, and leaves them room.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from connectors.kit import Usage, Window
from pipeline.delivery.shared_state import SharedScript
from pipeline.lanes import HOT

if TYPE_CHECKING:
    from redis import Redis

_MICROSECONDS = 1_000_000
_MOST_CALLS = 10**12  # of a window: more is no quota that any CRM has


class Grant(msgspec.Struct, frozen=True):
    """An answer to `take`: granted if `wait` (seconds) is 0. `at` says when, on Redis's clock. `waits_for`: the window
    that is full, None for anything else."""

    wait: float
    at: int = 0
    waits_for: str | None = None


class Counted(msgspec.Struct, frozen=True):
    """What stood in a window as a call began, at `at` of Redis's clock: calls of all, and how many of others had been
    noted ever."""

    at: int
    total: int
    noted: int


class WindowState(msgspec.Struct, frozen=True):
    """One window as it stands: our calls and those seen of others, of the limit in force."""

    name: str
    own: int
    others: int
    limit: float
    seconds: float


class QuotaState(msgspec.Struct, frozen=True):
    """The quota as `afluente status` shows it. `factor` is the share of the rate in force, 1.0 unless slowed down.

    `full` is the window that the last asked waits for, `full_lane` the lane that asked, `full_seconds` for how long.
    """

    factor: float
    blocked_seconds: float
    used: int | None = None
    limit: int | None = None
    windows: tuple[WindowState, ...] = ()
    full: str | None = None
    full_lane: str | None = None
    full_seconds: float = 0.0

    @property
    def next_call_seconds(self) -> float:
        """Until a call is made again, whatever its lane."""
        return max(self.blocked_seconds, self.full_seconds if self.full_lane == HOT else 0.0)


class Governor:
    """Grants calls of accounts. Fails closed: every method raises TransientError while Redis is away."""

    def __init__(self, client: Redis) -> None:
        self._script = SharedScript(client, "governor")

    def take(
        self,
        account: str,
        calls: int = 1,
        *,
        rate: float,
        burst: int,
        reserve: int = 0,
        windows: Sequence[Window] = (),
        lane: str = HOT,
    ) -> Grant:
        """Take `calls` at `rate` calls per second and in all `windows`, or nothing: then wait and ask again.

        A lane that may wait leaves `reserve` tokens in the bucket, so that the hot lane finds them at once. While both
        lanes wait, hot calls come first, and every fifth is the bulk lane's.
        """
        wait, at, what = self._ask(account, windows, "take", calls, rate, burst, reserve, lane)
        return Grant(int(wait) / _MICROSECONDS, int(at), windows[int(what) - 1].name if int(what) > 0 else None)

    def spend(self, account: str, calls: int = 1, *, at: int, windows: Sequence[Window]) -> list[Counted] | None:
        """Calls granted at `at` begin now: windows count from here. Gives what stands in each window; None where the
        grant is so old that a window has forgotten it, so that another one is needed."""
        is_held, *rest = self._ask(account, windows, "spend", calls, at)
        if not int(is_held):
            return None
        began_at, *counts = map(int, rest)
        return [Counted(began_at, total, noted) for total, noted in zip(counts[::2], counts[1::2], strict=True)]

    def give_back(self, account: str, calls: int = 1, *, at: int = 0, windows: Sequence[Window] = ()) -> None:
        """Return calls that were granted at `at` and not made."""
        self._ask(account, windows, "return", calls, at)

    def slow_down(self, account: str, retry_after: float) -> None:
        """The CRM refused a call: nobody calls for `retry_after` seconds, then at half the rate.

        Refusals of calls that were under way together halve the rate once. It recovers in steps while none comes.
        """
        self._ask(account, (), "slow", retry_after)

    def lift(self, account: str, *, windows: Sequence[Window] = ()) -> None:
        """A human says that the CRM takes calls again: ask it now, at the rate in force, not when it said to come
        back. Its limits are those declared until an answer tells them anew; what was called still counts."""
        self._ask(account, windows, "lift")

    def fill(self, account: str, window: str, *, windows: Sequence[Window]) -> None:
        """The CRM refused a call for this window: others have used what we took for free. It empties as time passes."""
        self._ask(account, windows, "full", window)

    def observe(
        self, account: str, usage: Usage, *, counted: Sequence[Counted] = (), windows: Sequence[Window] = ()
    ) -> None:
        """Note what the CRM said in answer to a call, as which began `counted` stood in the windows.

        What was used without us is others': room is left for it. Without windows, near the end of a long quota only the
        hot lane calls. Numbers that no quota has are passed over.
        """
        told = {said.name: (said.used, said.limit) for said in usage.windows if _makes_sense(said.used, said.limit)}
        has_long = _makes_sense(usage.used, usage.limit)
        if has_long and windows:
            told.setdefault(max(windows, key=lambda window: window.seconds).name, (usage.used or 0, usage.limit or 0))
        heard = [
            {
                "name": window.name,
                "used": told[window.name][0],
                "limit": told[window.name][1],
                **msgspec.to_builtins(stood),
            }
            for window, stood in zip(windows, counted, strict=False)
            if window.name in told
        ]
        if heard:
            self._ask(account, windows, "told", json.dumps(heard))
        if has_long:
            self._ask(account, windows, "observe", str(usage.used), str(usage.limit))

    def state(self, account: str) -> QuotaState:
        """The quota as it stands; for reports only, because it is old as soon as it is read."""
        return msgspec.json.decode(self._script.ask(account, "state", "[]"), type=QuotaState)

    def _ask(self, account: str, windows: Sequence[Window], command: str, *arguments: str | float) -> list[str]:
        described = json.dumps([asdict(window) for window in windows])
        answer: list[str] = self._script.ask(account, command, described, *arguments)
        return answer


def _makes_sense(used: int | None, limit: int | None) -> bool:
    """Of a limit of 0, and of numbers that are no numbers to Lua, no time to wait could be made."""
    return used is not None and limit is not None and 0 <= used <= _MOST_CALLS and 1 <= limit <= _MOST_CALLS
