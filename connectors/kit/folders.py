"""Where files lie: in the company's own folder, then in what the product ships, file by file.

Both hold `connectors/sources/`, `connectors/destinations/`, `mappings/` and `samples/`. A file of the company's folder
takes the place of the shipped one at the same path; nothing is merged. Nothing is ever written into an installation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from connectors.kit.errors import ConfigurationError

_PACKAGES = Path(__file__).resolve().parents[2]  # a checkout, or the folder that packages are installed in
_PACKED = _PACKAGES / "pipeline" / "_shipped"  # made by setup.py, in installed packages only
_LOOKED_UP = ("connectors/sources", "connectors/destinations", "mappings", "samples")
_CACHES = "__pycache__"
_SCHEMAS = "schema"  # in mappings/: for editors, which find them beside the mapping; read by nobody here


def shipped_folder() -> Path:
    """The folder that holds the shipped `mappings/`, `samples/` and `celeryconfig.py`."""
    return _PACKED if _PACKED.is_dir() else _PACKAGES


def company_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """AFLUENTE_HOME, else the folder of the settings file if there is one; None: the company has no folder.

    Whether it exists is not asked where AFLUENTE_HOME names it.
    """
    variables = os.environ if environ is None else environ
    home = variables.get("AFLUENTE_HOME")
    if home:
        return Path(home).absolute()
    config = Path(variables.get("AFLUENTE_CONFIG") or "afluente.yaml")
    return config.absolute().parent if config.is_file() else None


def find_file(path: str) -> Path:
    """The file at `path` below the company's folder, else the shipped one, which may be missing too."""
    own = own_file(path)
    return shipped_file(path) if own is None else own


def own_file(path: str) -> Path | None:
    """The company's file at `path`; None if it has none there."""
    folder = company_folder()
    if folder is None:
        return None
    file = folder / path
    return file if file.is_file() else None


def shipped_file(path: str) -> Path:
    """The product's file at `path`, whether it exists or not."""
    return (_PACKAGES if path.startswith("connectors/") else shipped_folder()) / path


def find_files(folder: str, pattern: str) -> dict[str, Path]:
    """File name -> the file that counts, sorted by name, of all that match in `folder` (`mappings/sources`)."""
    found = {path.name: path for path in shipped_file(folder).glob(pattern)}
    company = company_folder()
    if company is not None:
        found |= {path.name: path for path in (company / folder).glob(pattern) if path.is_file()}
    return dict(sorted(found.items()))


def is_overridden(path: str) -> bool:
    """Whether a company's file at `path` takes the place of a shipped one."""
    own = own_file(path)
    return own is not None and shipped_file(path).is_file() and not own.samefile(shipped_file(path))


def overridden_files() -> list[str]:
    """The paths at which a company's file takes the place of a shipped one, sorted."""
    company = company_folder()
    if company is None:
        return []
    paths = {
        file.relative_to(company)
        for folder in _LOOKED_UP
        for file in (company / folder).rglob("*")
        if file.is_file() and _CACHES not in file.parts
    }
    looked_up = sorted(str(path) for path in paths if path.parts[:2] != ("mappings", _SCHEMAS))
    return [path for path in looked_up if is_overridden(path)]


def writable_folder() -> Path:
    """Where new sources, mappings and samples go: the company's folder, or the checkout of who works on the product.

    Raises ConfigurationError for an installed package without a company's folder.
    """
    company = company_folder()
    if company is not None:
        return company
    if (_PACKAGES / "pyproject.toml").is_file():
        return _PACKAGES
    raise ConfigurationError(
        "there is no folder of your own to write into, and nothing is written into the installation:"
        " make one with `afluente init DIR` and call this in it, or name it in AFLUENTE_HOME"
    )
