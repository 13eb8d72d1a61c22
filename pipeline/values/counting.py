"""Numbers of things, in words."""

from __future__ import annotations


def counted(number: int, thing: str, things: str | None = None) -> str:
    """`1 lead`, `2 leads`; `things` where the plural takes more than an s."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def count_people(number: int) -> str:
    """`1 person`, `2 people`."""
    return counted(number, "person", "people")
