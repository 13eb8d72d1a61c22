"""Who types a command that the console runs: told to the process that runs it by a pipe, which nobody else has."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

import msgspec

from pipeline.permissions.principals import Principal, of_roles
from pipeline.records.actors import Actor

VARIABLE = "_AFLUENTE_TYPED_BY"  # the descriptor of the pipe; nobody sets it by hand
Accounts = Mapping[str, Mapping[str, list[str]]]


class Typist(msgspec.Struct, frozen=True):
    """An account of this machine and its roles by brand."""

    name: str
    roles: dict[str, list[str]]

    def principal(self) -> Principal:
        return of_roles(self.actor(), self.roles)

    def actor(self) -> Actor:
        return Actor("os_user", f"{self.name}@{socket.gethostname()}", self.name, "os")


def typist_of(uid: int, accounts: Accounts) -> Typist:
    """By its name or its number; without roles where the settings name neither."""
    name = f"uid-{uid}"
    with suppress(KeyError):
        name = pwd.getpwuid(uid).pw_name
    roles = accounts.get(name) or accounts.get(str(uid)) or {}
    return Typist(name, {brand: list(given) for brand, given in roles.items()})


def write_typist(typist: Typist) -> int:
    """The end of a pipe that the process to be started reads."""
    reading, writing = os.pipe()
    os.write(writing, msgspec.json.encode(typist))
    os.close(writing)
    return reading


@cache
def typist_here() -> Typist | None:
    """Who typed the command of this process, if the console runs it."""
    number = os.environ.pop(VARIABLE, None)
    if number is None:
        return None
    with os.fdopen(int(number), "rb") as told:
        return msgspec.json.decode(told.read(), type=Typist)
