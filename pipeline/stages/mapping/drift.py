"""Drift: the paths of a record that nobody has decided about, as they may be counted and shown to anyone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from pipeline.values.personal_data import Redact, without_spelled_at
from pipeline.values.redaction import redact
from pipeline.values.text.text import clean_line

REST = "…"  # what paths beyond a limit are counted under

_PATH_LIMIT = 200  # characters
_PATHS_OF_A_LEAD = 50
_TELLS = re.compile(r"[A-Z\d]")
_INDEX = re.compile(r"\[\d+\]")
_SENTENCE = 48  # characters; a longer key of several words with capitals or digits may be an answer, not a question
_DIGITS = re.compile(r"\d(?: ?\d){4,}")  # ids and numbers as keys: one path each would tell of people and have no end


def drift_paths(undecided: Iterable[str], redact_text: Redact | None = None) -> list[str]:
    """Each path once, sorted: without list indexes, personal data and long numbers, at most 50 of one lead.

    `redact_text` knows the lead's own names (`personal_data.redactor_of`): some senders write answers as keys.
    """
    cut = (path[: 2 * _PATH_LIMIT] for path in undecided)
    paths = sorted({_countable(path if redact_text is None else redact_text(path)) for path in cut})
    return paths if len(paths) <= _PATHS_OF_A_LEAD else [*paths[:_PATHS_OF_A_LEAD], REST]


@lru_cache(maxsize=4_096)
def _countable(path: str) -> str:
    """`items[3].x` -> `items[*].x`, `ada@example.org` -> `(redacted)`, `session_1234567` -> `session_#`."""
    shown = _DIGITS.sub("#", redact(without_spelled_at(_INDEX.sub("[*]", clean_line(path)))))
    if len(shown) > _SENTENCE and " " in shown and _TELLS.search(shown, 1):
        shown = f"{shown[: _SENTENCE - 1]}{REST}"
    return shown if len(shown) <= _PATH_LIMIT else f"{shown[: _PATH_LIMIT - 1]}{REST}"
