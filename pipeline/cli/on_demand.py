"""Commands that are built when they are looked up.

To read the arguments and options of all of them takes a third of the time of a short command; of those of one group,
next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from typer.main import get_command_from_info, get_command_name, get_group_from_info
from typer.models import CommandInfo, TyperInfo

_HOW: dict[str, Any] = {"pretty_exceptions_short": True, "rich_markup_mode": None}


class CommandsOnDemand(Mapping[str, Any]):
    """Commands and groups by name, in the order in which they were added.

    Of a group without a name the commands stand beside the others, as Typer has it. `finish(name, command)` is called
    once for each that is built.
    """

    def __init__(self, groups: Sequence[TyperInfo], finish: Callable[[str, Any], None]) -> None:
        self._finish = finish
        self._declared: dict[str, CommandInfo | TyperInfo] = {}
        self._built: dict[str, Any] = {}
        for group in groups:
            if isinstance(group.name, str):
                self._declared[group.name] = group
            elif group.typer_instance is not None:
                self._declared.update((_name(command), command) for command in group.typer_instance.registered_commands)

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            declared = self._declared[name]
            if isinstance(declared, TyperInfo):
                command: Any = get_group_from_info(declared, suggest_commands=True, **_HOW)
            else:
                command = get_command_from_info(declared, **_HOW)
            self._finish(name, command)
            self._built[name] = command
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)


def _name(command: CommandInfo) -> str:
    return command.name or get_command_name(getattr(command.callback, "__name__", ""))
