"""Starts one program so that it ends with its parent, as another user if asked. Runs by path, before each server.

    python -I -S launcher.py --parent PID --signal NAME [--user UID:GID [--reach PATH]...] -- PROGRAM ARGUMENT...

`--signal` is what the program gets when its parent dies, however that happens. With `--user`, the program keeps one
capability, reading past folder permissions, only when that user could not otherwise reach the `--reach` paths:
PostgreSQL refuses to run as root, yet checkout and data may lie in a folder only root may enter, and opening up
folders that are not ours is no way out. Only the standard library is imported; nothing of this file stays in memory.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

# linux/prctl.h and linux/capability.h
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAPABILITY_VERSION_3 = 0x20080522
_DAC_READ_SEARCH = 2
_DAC_OVERRIDE = 1  # the wider one, for containers that grant only it and for programs without x for others

_CANNOT_RUN = 126  # the shell's exit code for "found, but cannot be executed"

_libc = ctypes.CDLL(None, use_errno=True)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySet(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _prctl(option: int, *values: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _call("prctl", option, *padded)


def _permitted_capabilities() -> int:
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    sets = (_CapabilitySet * 2)()
    _call("capget", ctypes.byref(header), sets)
    return int(sets[0].permitted)


def _become(user: int, group: int, capability: int | None) -> None:
    """Change the user for good; with `capability`, keep that one, and hand it on to the program to be executed."""
    if capability is not None:
        # Without this bit access(2) ignores capabilities of a plain user, and PostgreSQL asks access(2) whether its
        # own programs can be read. It also keeps the change of user from dropping them all.
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    os.setgroups([group])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    if capability is not None:
        header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
        sets = (_CapabilitySet * 2)()
        bit = 1 << capability
        sets[0] = _CapabilitySet(bit, bit, bit)
        _call("capset", ctypes.byref(header), sets)
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _can_reach(user: int, group: int, capability: int | None, needed: Sequence[tuple[str, int]]) -> bool:
    """Whether that user may do what is `needed`: tried out in a child, so that access lists and mounts count too."""
    child = os.fork()
    if child == 0:
        try:
            _become(user, group, capability)
            reachable = all(os.access(path, mode) for path, mode in needed)
        except OSError:
            reachable = False
        os._exit(0 if reachable else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def change_user(user: int, group: int, reach: Sequence[str]) -> None:
    """Become `user`, with the least that lets it reach what is named. Raises OSError or PermissionError."""
    needed = []  # reading and executing one by one: the narrower capability covers each, but not the two asked at once
    for path in reach:
        is_program = Path(path).stat().st_mode & 0o111  # or a folder
        needed += [(path, os.R_OK), (path, os.X_OK)] if is_program else [(path, os.R_OK)]
    permitted = _permitted_capabilities()
    lendable = [one for one in (_DAC_READ_SEARCH, _DAC_OVERRIDE) if permitted >> one & 1]
    for capability in (None, *lendable):
        if _can_reach(user, group, capability, needed):
            _become(user, group, capability)
            return
    _become(user, group, None)  # shows whether changing the user at all is what fails
    raise PermissionError(
        f"user {user} cannot reach {', '.join(reach)}, and this root may not lend it CAP_DAC_READ_SEARCH or"
        " CAP_DAC_OVERRIDE: move the checkout and the data folder to where that user may read"
    )


def _parse(arguments: Sequence[str]) -> tuple[dict[str, str], list[str], list[str]]:
    split = arguments.index("--")
    options: dict[str, str] = {}
    reach: list[str] = []
    for name, value in zip(arguments[:split:2], arguments[1:split:2], strict=True):
        if name == "--reach":
            reach.append(value)
        else:
            options[name] = value
    return options, reach, list(arguments[split + 1 :])


def main(arguments: Sequence[str]) -> NoReturn:
    """Become the program. Exits 126 with one line on stderr if that is not possible."""
    options, reach, command = _parse(arguments)
    try:
        if "--user" in options:
            user, _, group = options["--user"].partition(":")
            change_user(int(user), int(group), reach)
        # After the change of user, which clears it.
        _prctl(_PR_SET_PDEATHSIG, signal.Signals["SIG" + options["--signal"]])
        if os.getppid() != int(options["--parent"]):
            sys.exit(_CANNOT_RUN)  # the parent died before the line above could tell us
        os.execv(command[0], command)  # noqa: S606 - becoming the program is what this file is for
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error}\n")
        sys.exit(_CANNOT_RUN)


if __name__ == "__main__":
    main(sys.argv[1:])
