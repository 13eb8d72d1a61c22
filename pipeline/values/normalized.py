"""What every normalizing function answers: the value in its one spelling, what was noticed, and the text as it came."""

from __future__ import annotations

from typing import Any, NamedTuple


class Normalized(NamedTuple):
    """`value` None: nothing usable. `raw` None: the value stands as it came, there is nothing else to keep.

    `others` holds further values found in the same cell ("a@x.org; b@y.org"), already normalized.
    """

    value: Any
    flags: tuple[str, ...] = ()
    raw: Any = None
    others: tuple[str, ...] = ()


NOTHING = Normalized(None)


def is_empty(value: object) -> bool:
    """True for what says nothing: None, blank text, an empty list or object. Zero and False say something."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    return isinstance(value, list | dict | tuple) and not value
