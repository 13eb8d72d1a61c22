"""What the receiver answers when it cannot take something: JSON with a stable `error` word and a sentence."""

from __future__ import annotations

import math
from typing import Any

import orjson
from starlette.responses import Response

_JSON = "application/json"


class RefusedError(Exception):
    """The request ends here. `outcome` is the word for metrics; `extra` goes into the answer beside the message."""

    def __init__(
        self, status: int, error: str, message: str, *, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.headers = headers or {}
        self.extra = extra

    def response(self) -> Response:
        return json_answer(
            {"error": self.error, "message": self.message, **self.extra}, status=self.status, headers=self.headers
        )


def json_answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, _JSON)


def refused_later(status: int, error: str, message: str, *, seconds: float) -> RefusedError:
    """A refusal that says when to come back (whole seconds, at least 1)."""
    return RefusedError(status, error, message, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def unavailable(message: str = "the lead could not be stored; nothing was taken, send it again") -> RefusedError:
    return refused_later(503, "unavailable", message, seconds=5)
