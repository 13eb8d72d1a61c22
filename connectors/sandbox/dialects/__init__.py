"""The APIs that the sandbox speaks: a module or package each, with the constant `DIALECT`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from connectors.sandbox.dialects.dialect import MakeDialect


@cache
def dialects() -> dict[str, MakeDialect]:
    """Every dialect by the name of its module, which is that of its kind of CRM."""
    found: dict[str, MakeDialect] = {}
    for module in pkgutil.iter_modules(__path__):
        make = getattr(importlib.import_module(f"{__name__}.{module.name}"), "DIALECT", None)
        if make is not None:
            found[module.name] = make
    return found
