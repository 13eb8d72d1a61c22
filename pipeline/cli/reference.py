"""Writes docs/command-line.md from the commands themselves: `python -m pipeline.cli.reference > docs/command-line.md`.

A test holds the page to what this prints, so the page is never behind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

_HEAD = """# Command line

Written from the commands themselves by `python -m pipeline.cli.reference`; a test fails when it is behind.

Exit codes: 0 done, 1 found a problem, 2 wrong use. Results go to stdout, progress and problems to stderr: what is
wrong, where, and what to do. `--json` prints the result for programs. `afluente COMMAND --help` shows what stands here.
`afluente --version` prints the version, `afluente --install-completion` lets the shell complete commands and options.
"""


def render_reference() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for path, command in walk_commands():
        parts.append(_render(path, command))
    return "\n".join(parts)


def walk_commands() -> Iterator[tuple[str, Any]]:
    """(`quarantine list`, its command) for everything that can be run, in the order of `--help`."""
    import typer.main

    from pipeline.cli import app

    yield from _walk(typer.main.get_command(app), "")


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _walk(child, f"{path} {name}".strip())


def _render(path: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [
        parameter for parameter in command.params if parameter.param_type_name == "option" and parameter.name != "help"
    ]
    usage = " ".join(["afluente", path, *map(_argument, arguments), *(["[options]"] if options else [])])
    lines = [f"## {path}", "", _paragraphs(command.help or ""), "", "```", usage, "```"]
    rows = [(f"`{_argument(argument)}`", _text(argument)) for argument in arguments]
    rows += [(", ".join(f"`{name}`" for name in option.opts), _text(option)) for option in options]
    if rows:
        lines += ["", "| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows)]
    if command.epilog:
        shown = [line.strip() for line in command.epilog.replace("\b", "").strip().splitlines()[1:]]
        lines += ["", "Example:", "```", *shown, "```"]
    return "\n".join(lines) + "\n"


def _argument(argument: Any) -> str:
    name = str(argument.metavar or argument.name).upper()
    shown = f"{name}…" if argument.nargs == -1 else name
    return shown if argument.required else f"[{shown}]"


def _text(parameter: Any) -> str:
    text = str(getattr(parameter, "help", None) or "")
    default = parameter.default
    descriptor = getattr(parameter, "type_descriptor", None)
    values = getattr(getattr(descriptor, "annotation", None), "__members__", {}).values()
    if values:
        text = f"{text} One of {', '.join(f'`{choice.value}`' for choice in values)}.".strip()
    if default not in (None, False, True, (), []) and not callable(default) and "Default" not in text:
        text = f"{text} Default: {default}".strip()
    return text.replace("|", "\\|")


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


if __name__ == "__main__":
    sys.stdout.write(render_reference())
