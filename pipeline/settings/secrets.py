"""References to secrets: env:NAME, file:PATH, or a place in a store of secrets; resolved at the moment of use.

A value is never kept here: `pipeline/settings/stores/kept.py` does, and reads it again while the process runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path

import msgspec

from pipeline.errors import ConfigurationError
from pipeline.settings.stores.found import FoundSecret, SecretUnavailableError
from pipeline.settings.stores.kept import secret_keeper

STORES = ("vault", "aws", "azure", "gcp")
_REFERENCE = re.compile(rf"^(env|file|{'|'.join(STORES)}):(.+)$")


class Environment(Mapping[str, str]):
    """The variables that settings are read from, as they are at the moment of asking. Printed, it shows none."""

    __slots__ = ("_variables",)

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> str:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


class Reference(msgspec.Struct, frozen=True):
    """Where a secret is kept. Never its value: safe to print."""

    kind: str
    name: str

    @property
    def text(self) -> str:
        """As it is written in afluente.yaml."""
        return f"{self.kind}:{self.name}"

    @property
    def is_kept(self) -> bool:
        """Whether it may become another one while the process runs."""
        return self.kind != "env"

    def resolve(self, environ: Mapping[str, str]) -> str:
        """The secret's value. Raises ConfigurationError naming the variable, file or place that is missing."""
        return self.values(environ)[0]

    def values(self, environ: Mapping[str, str]) -> list[str]:
        """The same, the newest first; for a while followed by the one that it replaced. Never empty."""
        if self.kind == "env":
            value = environ.get(self.name)
            if not value:
                raise ConfigurationError(f"the environment variable {self.name} is not set; afluente.yaml refers to it")
            return [value]
        return secret_keeper().values(*self._source(environ), is_near=self.kind == "file")

    def renew(self, environ: Mapping[str, str]) -> bool:
        """Read it again now, at most once a minute: somebody does not take it, or proves another one. Gives whether it
        has changed. May wait seconds for a store; raises nothing."""
        return self.is_kept and secret_keeper().renew(*self._source(environ))

    def _source(self, environ: Mapping[str, str]) -> tuple[str, str, partial[FoundSecret]]:
        """For the keeper: the reference, a digest of all that it is reached by, and how it is read."""
        if self.kind == "file":
            return self.text, "", partial(_read_file, self.name)
        store = import_module(f"pipeline.settings.stores.{self.kind}")  # at use: one of four, if any, is needed
        told = {name: environ[name] for name in store.VARIABLES if name in environ}
        reached_by = hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest()
        return self.text, reached_by, partial(store.fetch, self.name, told)


def reference(text: str, where: str) -> Reference:
    """`env:NAME`, `file:PATH` or a store's. A literal secret is refused, and not repeated in the error."""
    match = _REFERENCE.match(text)
    if match is None:
        raise ConfigurationError(
            f"{where}: a secret must be a reference, env:NAME or file:PATH, or the place of a store"
            f" ({', '.join(f'{store}:' for store in STORES)}); a literal value is refused"
        )
    kind, name = match.groups()
    if kind in STORES:
        store = import_module(f"pipeline.settings.stores.{kind}")
        if store.PLACE.fullmatch(name) is None:
            raise ConfigurationError(f"{where}: {kind}: is not followed by what names a secret there: {store.FORM}")
    return Reference(kind, name)


def references(given: str | list[str], where: str) -> list[Reference]:
    """One, or several of which each counts while one replaces another."""
    return [reference(text, where) for text in ([given] if isinstance(given, str) else given)]


def values_of(given: Iterable[Reference], environ: Mapping[str, str]) -> list[str]:
    """The values of several, in their order. One whose store is away is left out if another has a value.

    Raises ConfigurationError.
    """
    values: list[str] = []
    trouble: SecretUnavailableError | None = None
    for place in given:
        try:
            values += place.values(environ)
        except SecretUnavailableError as error:
            if place.kind not in STORES:
                raise
            trouble = trouble or error
    if trouble is not None and not values:
        raise trouble
    return values


def is_reference(text: str) -> bool:
    """Whether a text that may be either is a reference, not the thing itself."""
    return _REFERENCE.match(text) is not None


def file_variable(name: str, env: Mapping[str, str]) -> str | None:
    """The content of the file that a variable names, as container platforms mount secrets; None if it is not set."""
    path = env.get(name)
    return Reference("file", path).resolve(env) if path else None


def _read_file(path: str) -> FoundSecret:
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SecretUnavailableError(
            f"cannot read the secret file {path}: {error.strerror}", is_refused=True
        ) from error
    except UnicodeDecodeError as error:
        raise SecretUnavailableError(f"the secret file {path} is no text", is_refused=True) from error
    if not value:
        raise SecretUnavailableError(f"the secret file {path} is empty; afluente.yaml refers to it", is_refused=True)
    return FoundSecret(value, datetime.now(UTC))
