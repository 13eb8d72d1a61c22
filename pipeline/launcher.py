"""Starts one program so that it ends with its parent, as another user if asked. Runs by path, before each server.

    python -I -S launcher.py --parent PID --signal NAME [--user UID:GID [--reach PATH]...] -- PROGRAM ARGUMENT...

`--signal` is what the program gets when its parent dies, however that happens. With `--user`, the program keeps one
capability, reading past folder permissions, only when that user could not otherwise enter the `--reach` paths:
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
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_DAC_OVERRIDE = 1  # the wider one; containers often grant it and not the narrower
_DAC_READ_SEARCH = 2

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


def _keep_only(capability: int) -> None:
    """Shrink this process to one capability that survives the exec of an ordinary program."""
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    sets = (_CapabilitySet * 2)()
    bit = 1 << capability
    sets[0] = _CapabilitySet(bit, bit, bit)
    _call("capset", ctypes.byref(header), sets)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _become(user: int, group: int) -> None:
    os.setgroups([group])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def _can_reach(user: int, group: int, paths: Sequence[str]) -> bool:
    """Whether that user, without any capability, may read all of `paths`: tried out in a child, so that access
    lists and mount options count too."""
    child = os.fork()
    if child == 0:
        try:
            _become(user, group)
            reachable = all(os.access(path, os.R_OK | (os.X_OK if Path(path).is_dir() else 0)) for path in paths)
        except OSError:
            reachable = False
        os._exit(0 if reachable else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def change_user(user: int, group: int, reach: Sequence[str]) -> None:
    """Become `user`; keep one capability if `reach` is closed to it. Raises OSError or PermissionError."""
    capability = None
    if not _can_reach(user, group, reach):
        permitted = _permitted_capabilities()
        capability = next((one for one in (_DAC_READ_SEARCH, _DAC_OVERRIDE) if permitted >> one & 1), None)
        if capability is None:
            raise PermissionError(
                f"user {user} cannot enter {', '.join(reach)}, and this root may not lend it CAP_DAC_READ_SEARCH:"
                " move the checkout and the data folder to where that user may read"
            )
        _prctl(_PR_SET_KEEPCAPS, 1)
    _become(user, group)
    if capability is not None:
        _keep_only(capability)


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
