"""Structured logs: a constant event name in the past tense plus ids. Never a value of a lead.

`AFLUENTE_LOG=json` writes one JSON object a line, `text` a readable line.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import structlog

_PAUSE_SECONDS = 60.0
_MOST_KINDS = 1_000
# What a stranger causes by a request, or a broken setting by every one: once a minute says as much as each time.
_REPEATED = frozenset(
    {
        "request_not_served",
        "request_failed",
        "source_secret_unreadable",
        "source_broken",
        "reader_ended",
        "sign_in_refused",
        "page_not_served",
        "page_failed",
    }
)


class Sparingly(logging.Filter):
    """Lets one record of a kind through in a minute, of those kinds that others can cause at will, with the number of
    those that were left out before it. Everything else passes."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = _kind_of(record)
        if kind is None:
            return True
        now = time.monotonic()
        said_at, left_out = self._said.get(kind, (-_PAUSE_SECONDS, 0))
        if now - said_at < _PAUSE_SECONDS:
            self._said[kind] = (said_at, left_out + 1)
            return False
        if len(self._said) >= _MOST_KINDS:
            self._said.clear()
        self._said[kind] = (now, 0)
        if left_out and isinstance(record.msg, dict):
            record.msg = {**record.msg, "left_out": left_out}
        elif left_out:
            record.msg = f"{record.msg} ({left_out} more like it were left out)"
        return True


def _kind_of(record: logging.LogRecord) -> tuple[str, ...] | None:
    """What a record repeats; None of one that says something new each time."""
    if isinstance(record.msg, dict):
        event = str(record.msg.get("event"))
        said = (record.msg.get(name, "") for name in ("source", "error", "place"))
        return (event, *map(str, said)) if event in _REPEATED else None
    if record.name.startswith("uvicorn") and record.levelno >= logging.WARNING:
        return (record.name, str(record.msg))
    return None


def configure_logging(log_format: str, *, level: int = logging.INFO) -> None:
    """Route structlog and the standard library's loggers (Celery, uvicorn, Alembic) to stderr in one format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    tail: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if log_format == "json":
        tail.append(structlog.processors.format_exc_info)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*tail, renderer]))
    handler.addFilter(Sparingly())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
