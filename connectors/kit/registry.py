"""Finds connectors by looking into their folders: adding a file adds a source, nothing else is edited.

The company's own modules (connectors/kit/folders.py) are found beside the shipped ones and take the place of those of
the same name. They are loaded by path, under names that no package of the environment has.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from connectors.kit.destinations.declarations import DestinationType
from connectors.kit.errors import ConfigurationError
from connectors.kit.folders import company_folder, shipped_file
from connectors.kit.sources.declarations import Connector

_OWN_MODULES = "afluente_company"


@cache
def sources() -> dict[str, Connector]:
    """Every declared source by slug. A module's name and its connector's `source` must be the same word.

    Raises ConfigurationError naming the file that declares none, or cannot be loaded.
    """
    declared: dict[str, Connector] = {}
    for slug, file, module in _modules("sources"):
        connector = getattr(module, "CONNECTOR", None)
        if not isinstance(connector, Connector):
            raise ConfigurationError(f"{file}: has no constant CONNECTOR of type Connector")
        if connector.source != slug:
            raise ConfigurationError(f"{file}: CONNECTOR.source is {connector.source!r}; it must be {slug!r}")
        declared[slug] = connector
    return declared


@cache
def destination_types() -> dict[str, DestinationType]:
    """Every declared kind of CRM by name. Raises ConfigurationError naming the file that is wrong."""
    declared: dict[str, DestinationType] = {}
    for kind, file, module in _modules("destinations"):
        destination = getattr(module, "DESTINATION", None)
        if not isinstance(destination, DestinationType) or destination.kind != kind:
            raise ConfigurationError(
                f"{file}: needs a constant DESTINATION of type DestinationType whose kind is {kind!r}"
            )
        declared[kind] = destination
    return declared


def _modules(group: str) -> Iterator[tuple[str, str, ModuleType]]:
    """(name, file as messages name it, module) of `connectors/<group>/`, by name; of two files the company's."""
    own = _own_files(group)
    package = importlib.import_module(f"connectors.{group}")
    shipped = {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
    for name in sorted(shipped | own.keys()):
        if name in own:
            yield name, str(own[name]), _load(f"{_OWN_MODULES}_{group}_{name}", own[name])
        else:
            yield name, f"connectors/{group}/{name}.py", importlib.import_module(f"connectors.{group}.{name}")


def _own_files(group: str) -> dict[str, Path]:
    """The company's modules by name; none where its folder is the checkout itself."""
    company = company_folder()
    if company is None:
        return {}
    folder = company / "connectors" / group
    if not folder.is_dir() or folder.samefile(shipped_file(f"connectors/{group}")):
        return {}
    return {path.stem: path for path in folder.glob("*.py") if not path.name.startswith("_")}


def _load(name: str, path: Path) -> ModuleType:
    """The module in a file. Raises ConfigurationError with the file, the line and what is wrong there."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path}: cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigurationError(f"{path}{_line_of(error, path)}: {type(error).__name__}: {error}") from error
    return module


def _line_of(error: Exception, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {lines[-1]}" if lines else ""
