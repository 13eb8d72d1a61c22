"""Finds connectors by looking into their folders: adding a file adds a source, nothing else is edited.

The company's own modules (connectors/kit/folders.py) are found beside the shipped ones and take the place of those of
the same name. They are loaded by path, under names that no package of the environment has.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from connectors.kit.declared_types import wrong_types
from connectors.kit.destinations.declarations import DestinationType
from connectors.kit.errors import ConfigurationError
from connectors.kit.folders import company_folder, shipped_file
from connectors.kit.sources.declarations import Connector

_OWN_MODULES = "afluente_company"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")  # as afluente.yaml and addresses name a source


def sources() -> dict[str, Connector]:
    """Every declared source by slug. A module's name and its connector's `source` must be the same word.

    A file of the company's that is wrong is left out, so that it stops no other source; `broken_sources` names it.
    Raises ConfigurationError for a shipped one.
    """
    return _read_sources()[0]


@cache
def shipped_sources() -> dict[str, Connector]:
    """The sources that come with the program, whatever a company's files replace: everybody may know of them."""
    return {slug: _shipped_source(slug) for slug in _shipped("sources")}


def broken_sources() -> dict[str, str]:
    """The company's files that declare no source, by slug: which file, and what is wrong where in it."""
    return _read_sources()[1]


def own_sources() -> frozenset[str]:
    """The slugs of those that the company's own folder declares, in place of a shipped one or beside them."""
    return _read_sources()[2]


def forget() -> None:
    """Look into the folders again at the next question: a file was written."""
    _read_sources.cache_clear()
    destination_types.cache_clear()


@cache
def _read_sources() -> tuple[dict[str, Connector], dict[str, str], frozenset[str]]:
    declared: dict[str, Connector] = {}
    broken: dict[str, str] = {}
    files = _files("sources")
    for slug, own in files.items():
        try:
            declared[slug] = _shipped_source(slug) if own is None else _source(slug, own)
        except ConfigurationError as error:
            if own is None:
                raise
            broken[slug] = str(error)
    return declared, broken, frozenset(slug for slug, own in files.items() if own is not None)


@cache
def destination_types() -> dict[str, DestinationType]:
    """Every declared kind of CRM by name. Raises ConfigurationError naming the file that is wrong."""
    declared: dict[str, DestinationType] = {}
    for kind, own in _files("destinations").items():
        file, module = _module("destinations", kind, own)
        destination = getattr(module, "DESTINATION", None)
        if not isinstance(destination, DestinationType) or destination.kind != kind:
            raise ConfigurationError(
                f"{file}: needs a constant DESTINATION of type DestinationType whose kind is {kind!r}"
            )
        declared[kind] = destination
    return declared


@cache
def _shipped_source(slug: str) -> Connector:
    """Looked at once: the company's files may change while the process runs, these do not."""
    return _source(slug, None)


def _source(slug: str, own: Path | None) -> Connector:
    file, module = _module("sources", slug, own)
    connector = getattr(module, "CONNECTOR", None)
    if not isinstance(connector, Connector):
        raise ConfigurationError(f"{file}: has no constant CONNECTOR of type Connector")
    if connector.source != slug:
        raise ConfigurationError(f"{file}: CONNECTOR.source is {connector.source!r}; it must be {slug!r}")
    if wrong := wrong_types(connector):
        raise ConfigurationError(f"{file}: {'; '.join(wrong)}")
    return connector


def _files(group: str) -> dict[str, Path | None]:
    """Modules of `connectors/<group>/` by name, with the company's file where it is the one that counts."""
    own = _own_files(group)
    return {name: own.get(name) for name in sorted(_shipped(group) | own.keys())}


def _shipped(group: str) -> set[str]:
    package = importlib.import_module(f"connectors.{group}")
    return {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}


def _module(group: str, name: str, own: Path | None) -> tuple[str, ModuleType]:
    """(file as messages name it, module). Raises ConfigurationError."""
    if own is None:
        return f"connectors/{group}/{name}.py", importlib.import_module(f"connectors.{group}.{name}")
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{own}: a connector's name is lower-case letters, digits and _: rename the file")
    return str(own), _load(f"{_OWN_MODULES}_{group}_{name}", own)


def _own_files(group: str) -> dict[str, Path]:
    """The company's modules by name; none where its folder is the checkout itself."""
    company = company_folder()
    if company is None:
        return {}
    folder = company / "connectors" / group
    if not folder.is_dir() or folder.samefile(shipped_file(f"connectors/{group}")):
        return {}
    return {path.stem: path for path in folder.glob("*.py") if path.is_file() and path.name[0] != "_"}


def _load(name: str, path: Path) -> ModuleType:
    """The module in a file. Raises ConfigurationError with the file, the line and what is wrong there."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path}: cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a company's file does, it is that file's fault alone
        del sys.modules[name]
        raise ConfigurationError(f"{path}{_line_of(error, path)}: {type(error).__name__}: {error}") from error
    return module


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}" if error.lineno else ""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {lines[-1]}" if lines else ""
