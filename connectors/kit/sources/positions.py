"""Where a polled source was read to: opaque text for the pipeline, which stores it with what was read."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from connectors.kit.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Position:
    """`after`: the greatest cursor value of finished runs. `greatest`: of this run. `page`: the one to read next.
    `token`: the one to send next, or the address. `again`: the run reads once more what the run before it read over
    several pages. `until`: the end of the window of time that is being read, whose beginning is `after`."""

    after: str | None = None
    greatest: str | None = None
    page: int | None = None
    token: str | None = None
    again: bool | None = None
    until: str | None = None

    @staticmethod
    def parse(text: str | None) -> Position:
        """Raises ConfigurationError."""
        if text is None:
            return Position()
        try:
            return Position(**orjson.loads(text))
        except (orjson.JSONDecodeError, TypeError) as error:
            raise ConfigurationError(
                "a polled source's position cannot be read; delete its row in `cursors` to begin anew,"
                " or poll it once with `--from beginning`"
            ) from error

    def text(self) -> str:
        values = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps(
            {name: value for name, value in values.items() if value is not None and value is not False}
        ).decode()
