"""The measures of the house, and its rooms in a line each. `python -m tests.architecture.house` prints the measures,
`python -m tests.architecture.house write` (`make rooms`) puts the rooms into docs/architecture.md, between its marks.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: begin -->\n", "<!-- rooms: end -->\n"
MOST = {
    "modules at pipeline's root": 14,
    "files in one folder": 20,
    "circles between rooms": 0,
    "modules outside the layers contract": 0,
    "functions over 50 lines": 5,
    "files over 350 lines": 0,
}
_LONGEST_FUNCTION = 50  # lines
_LONGEST_FILE = 350
_NOT_OURS = "versions"  # migrations are written once and never read again


def modules(*roots: str) -> list[Path]:
    """Every module of the product, migrations left out."""
    return [path for root in roots for path in sorted((ROOT / root).rglob("*.py")) if _NOT_OURS not in path.parts]


def root_modules() -> list[str]:
    return [path.stem for path in sorted((ROOT / "pipeline").glob("*.py"))]


def fullest_folder() -> tuple[int, str]:
    counts = Counter(path.parent for path in modules("pipeline", "connectors") if path.name != "__init__.py")
    del counts[ROOT / "connectors" / "sources"]  # a file for each source, found by its slug: a list, not a room
    folder, count = counts.most_common(1)[0]
    return count, str(folder.relative_to(ROOT))


def long_functions() -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for path in modules("pipeline", "connectors")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > _LONGEST_FUNCTION
    ]


def long_files() -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules("pipeline", "connectors")}
    return [f"{path.relative_to(ROOT)} ({count})" for path, count in lengths.items() if count > _LONGEST_FILE]


@cache
def imports() -> set[tuple[str, str]]:
    """Who imports whom, module by module, imports within functions too."""
    names = {_dotted(path) for path in modules("pipeline", "connectors")}
    return {
        (_dotted(path), target)
        for path in modules("pipeline", "connectors")
        for target in _imported(ast.parse(path.read_text(encoding="utf-8")), names)
    }


def circles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups of rooms that reach each other. A room is what stands directly below `pipeline` or `connectors`."""
    reached: dict[str, set[str]] = {}
    for importer, imported in edges:
        reached.setdefault(_room(importer), set()).add(_room(imported))
    for mine in reached.values():
        waiting = list(mine)
        while waiting:
            new = reached.get(waiting.pop(), set()) - mine
            mine.update(new)
            waiting += new
    groups = {
        tuple(sorted(other for other in reached if other in reached[room] and room in reached[other]))
        for room in reached
        if any(other != room and room in reached.get(other, ()) for other in reached[room])
    }
    return [list(group) for group in sorted(groups) if len(group) > 1]


def outside_layers() -> list[str]:
    """Rooms of `pipeline` that the contract about layers does not name."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(contract for contract in config["contracts"] if contract["type"] == "layers")
    named = {name.strip("() ") for layer in layers["layers"] for name in layer.replace(":", "|").split("|")}
    rooms = {_room(name).removeprefix("pipeline.") for name, _ in _named_modules("pipeline")} - {"pipeline"}
    return sorted(rooms - named) if layers.get("exhaustive") else sorted(rooms)


@cache
def measures() -> dict[str, tuple[int, str]]:
    """Each measure with what it counted, and where."""
    count, folder = fullest_folder()
    circle, outside = circles(imports()), outside_layers()
    functions, files = long_functions(), long_files()
    return {
        "modules at pipeline's root": (len(root_modules()), " ".join(root_modules())),
        "files in one folder": (count, folder),
        "circles between rooms": (len(circle), "; ".join(" <-> ".join(group) for group in circle)),
        "modules outside the layers contract": (len(outside), " ".join(outside)),
        "functions over 50 lines": (len(functions), "; ".join(functions)),
        "files over 350 lines": (len(files), "; ".join(files)),
    }


def tree() -> str:
    """The rooms: each with the first line of its docstring, and its modules by name."""
    lines = ["```"]
    for root in ("pipeline", "connectors"):
        folders = sorted({path.parent for path in modules(root)})
        for folder in folders:
            place = folder.relative_to(ROOT)
            indent = "  " * (len(place.parts) - 1)
            lines.append(f"{indent}{place.name}/".ljust(27) + _first_line(folder / "__init__.py"))
            names = [path.stem for path in sorted(folder.glob("*.py")) if not path.stem.startswith("__")]
            names += [path.name for ending in ("lua", "js") for path in sorted(folder.glob(f"*.{ending}"))]
            lines += _wrapped(names, " " * 27)
    return "\n".join([*lines, "```"]) + "\n"


def shown_tree(page: str) -> str:
    """What the page shows between its marks."""
    return page.partition(BEGIN)[2].partition(END)[0]


def _first_line(path: Path) -> str:
    documentation = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.exists() else None
    return (documentation or "").partition("\n")[0]


def _wrapped(names: list[str], indent: str) -> Iterator[str]:
    line = indent
    for name in names:
        if len(line) + len(name) > 117 and line.strip():
            yield line.rstrip()
            line = indent
        line += name + " "
    if line.strip():
        yield line.rstrip()


def _named_modules(root: str) -> list[tuple[str, Path]]:
    return [(_dotted(path), path) for path in modules(root)]


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _imported(module: ast.Module, names: set[str]) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                target = f"{node.module}.{alias.name}"
                yield from (name for name in [target if target in names else node.module] if name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(text.replace(shown_tree(text) + END, tree() + END), encoding="utf-8")
        raise SystemExit(0)
    found = measures()
    for name, (count, where) in found.items():
        print(f"{name:37} {count:3} (at most {MOST[name]})  {where}")
    raise SystemExit(any(count > MOST[name] for name, (count, _) in found.items()))
