"""What is to run: started again when it ends, after pauses that grow while it keeps ending, for as long as it takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline.errors import ConfigurationError
from pipeline.logs import get_logger
from pipeline.supervisor.child_process import ServerProcess
from pipeline.supervisor.programs import ProgramPlan

_STEADY_SECONDS = 10.0  # what ran this long and then died is started again at once
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0

_log = get_logger(__name__)


class Kept:
    """A server or a program, and what became of it. `start` makes its process; it is given the name and the number of
    deaths in a row, and may raise OSError or ConfigurationError: then it is called again later."""

    def __init__(self, name: str, start: Callable[[str, int], ServerProcess], process: ServerProcess | None) -> None:
        self.name = name
        self.process = process
        self.deaths = 0
        self._start = start
        self._started_at = time.monotonic()
        self._restart_at: float | None = None
        self._pause = 0.0
        self._deaths_in_a_row = 0

    def keep(self, now: float) -> bool:
        """Start it again if it has ended and its pause is over. True if it was started."""
        if self.process is None:  # not yet begun
            return False
        code = self.process.exit_code()
        if code is not None and self._restart_at is None:
            was_steady = now - self._started_at > _STEADY_SECONDS
            self.deaths += 1
            self._deaths_in_a_row = 1 if was_steady else self._deaths_in_a_row + 1
            self._pause = 0.0 if was_steady else self._next_pause()
            self._restart_at = now + self._pause
        if self._restart_at is None or now < self._restart_at:
            return False
        _log.error("process_restarted", name=self.name, code=code, pause_seconds=self._pause)
        try:
            self._begin()
        except (OSError, ConfigurationError) as error:
            self._pause = self._next_pause()
            self._restart_at = now + self._pause
            _log.error("process_not_started", name=self.name, reason=str(error))
            return False
        return True

    def _begin(self) -> None:
        self.process = self._start(self.name, self._deaths_in_a_row)
        self._started_at = time.monotonic()
        self._restart_at = None

    def _next_pause(self) -> float:
        return min(self._pause * 2 or _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)


class Program(Kept):
    """A planned program."""

    def __init__(self, plan: ProgramPlan, start: Callable[[ProgramPlan], ServerProcess]) -> None:
        super().__init__(plan.name, lambda *_: start(plan), None)
        self.plan = plan
        self._was_ready = False

    def begin(self) -> None:
        """Start it for the first time. Raises OSError."""
        self._begin()

    def look_ready(self) -> bool:
        """Whether it is ready, or was once."""
        if not self._was_ready:
            self._was_ready = self.process is not None and self.process.exit_code() is None and self.plan.is_ready()
        return self._was_ready
