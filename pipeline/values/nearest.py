"""What to say of a name that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(name: str, allowed: Iterable[str]) -> str:
    """What to say of a name that is not among `allowed`, with the nearest one that is."""
    names = sorted(str(entry) for entry in allowed)
    close = get_close_matches(name, names, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"{name!r} is not known{hint}; allowed: {', '.join(names)}"
