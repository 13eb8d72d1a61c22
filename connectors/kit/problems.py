"""Sentences about what is wrong in settings and declarations, each with its place."""

from __future__ import annotations

import re

import msgspec


def placed(place: str, problem: str) -> str:
    """Below `place`: sentences that begin with an option's name and a colon get its place."""
    return f"{place}.{problem}" if re.match(r"[\w.-]+: ", problem) else f"{place}: {problem}"


def problem_of_type(place: str, error: msgspec.ValidationError) -> str:
    """Of what stands at `place` and could not be converted: where in it, and what is wanted."""
    what, _, where = str(error).partition(" - at `$")
    return f"{place}{where.rstrip('`')}: {what}"
