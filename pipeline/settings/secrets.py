"""References to secrets: env:NAME or file:PATH, resolved at the moment of use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from pipeline.errors import ConfigurationError

_REFERENCE = re.compile(r"^(env|file):(.+)$")


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

    def resolve(self, environ: Mapping[str, str]) -> str:
        """The secret's value. Raises ConfigurationError naming the variable or file that is missing."""
        if self.kind == "env":
            value = environ.get(self.name)
            if not value:
                raise ConfigurationError(f"the environment variable {self.name} is not set; afluente.yaml refers to it")
            return value
        value = self.read()
        if not value:
            raise ConfigurationError(f"the secret file {self.name} is empty; afluente.yaml refers to it")
        return value

    def read(self) -> str:
        """What the file holds, which may be nothing. Raises ConfigurationError if it cannot be read."""
        try:
            return Path(self.name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"cannot read the secret file {self.name}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"the secret file {self.name} is no text") from error


def reference(text: str, where: str) -> Reference:
    """`env:NAME` or `file:PATH`. A literal secret is refused, and not repeated in the error."""
    match = _REFERENCE.match(text)
    if match is None:
        raise ConfigurationError(
            f"{where}: a secret must be a reference, env:NAME or file:PATH; a literal value is refused"
        )
    return Reference(match.group(1), match.group(2))


def is_reference(text: str) -> bool:
    """Whether a text that may be either is a reference, not the thing itself."""
    return _REFERENCE.match(text) is not None


def file_variable(name: str, env: Mapping[str, str]) -> str | None:
    """The content of the file that a variable names, as container platforms mount secrets; None if it is not set."""
    path = env.get(name)
    return Reference("file", path).resolve(env) if path else None
