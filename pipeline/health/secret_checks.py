"""Checks of what must stay secret: files that others can read or change, keys that are too short or used twice."""

from __future__ import annotations

import stat
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.health.checks import Check, failed, passed
from pipeline.settings.api_keys import SHORTEST_KEY
from pipeline.settings.loading import Settings

_OTHERS_READ = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SHORTEST_PASSWORD = 8


def check_secrets(known: Settings) -> Iterator[Check]:
    """Nothing here opens a connection or shows a secret."""
    yield from _check_modes(known.data)
    yield from _check_api_keys(known)
    yield from _check_key_lengths(known)
    if known.flower_auth is not None:
        yield _check_flower(known)


def _check_modes(data: Path) -> Iterator[Check]:
    """Of the data folder and its keys, where they are: another account could read what is sealed, or put in its own."""
    troubles = []
    for path, closed, wanted in ((data, _OTHERS_WRITE, "go-w"), (data / "credentials.json", _OTHERS_READ, "go=")):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & closed:
            troubles.append((path, mode, wanted))
    for path, mode, wanted in troubles:
        what = "change what is in it" if wanted == "go-w" else "read the keys in it"
        yield failed("files", f"{path} has mode {mode:04o}: other accounts can {what}", f"chmod {wanted} {path}")
    if not troubles and (data / "credentials.json").exists():
        yield passed("files", "the data folder's keys are for its owner only")


def _check_api_keys(known: Settings) -> Iterator[Check]:
    keys = known.api_keys
    short = sorted(key.name for key in keys if key.is_short)
    if short:
        remedy = "make a new one with `openssl rand -base64 24`, give it to the sender, restart"
        yield failed("API keys", f"shorter than {SHORTEST_KEY} characters: {', '.join(short)}", remedy)
    named = defaultdict(list)
    for key in keys:
        named[key.digest].append(f"{key.name} ({key.role})")
    twice = [names for names in named.values() if len(names) > 1]
    for names in twice:
        detail = f"{' and '.join(names)} are one and the same key: only one of the names and roles can count"
        yield failed("API keys", detail, "give each a key of its own")
    if not short and not twice:
        yield passed("API keys", f"{len(keys)}" if keys else "none: nobody can post to /v1/leads")


def _check_key_lengths(known: Settings) -> Iterator[Check]:
    try:
        short = [number for number, key in enumerate(known.secret_keys(), start=1) if len(key) < SHORTEST_KEY]
    except ConfigurationError:
        return  # check_keys tells
    if short:
        remedy = "make one with `openssl rand -base64 32` and put it in front; the old one still opens what it sealed"
        places = ", ".join(str(number) for number in short)
        yield failed("key length", f"key {places} for personal data is shorter than {SHORTEST_KEY} characters", remedy)


def _check_flower(known: Settings) -> Check:
    try:
        text = known.flower_auth.resolve(known.environ) if known.flower_auth else ""
    except ConfigurationError as error:
        return failed("flower.auth", str(error), "set it: without it Flower does not start")
    user, _, password = text.partition(":")
    if not user or not password:
        return failed("flower.auth", "does not read user:password", "write a name, a colon and a password there")
    if len(password) < _SHORTEST_PASSWORD:
        detail = f"its password is shorter than {_SHORTEST_PASSWORD} characters"
        return failed("flower.auth", detail, "choose a longer one: whoever gets in can stop workers")
    return passed("flower.auth", "user and password")
