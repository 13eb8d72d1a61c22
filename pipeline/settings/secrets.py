"""References to secrets: env:NAME or file:PATH, resolved at the moment of use."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from pipeline.errors import ConfigurationError

_REFERENCE = re.compile(r"^(env|file):(.+)$")


class Reference(msgspec.Struct, frozen=True):
    """Where a secret is kept. Never its value: safe to print."""

    kind: str
    name: str

    def resolve(self) -> str:
        """The secret's value. Raises ConfigurationError naming the variable or file that is missing."""
        if self.kind == "env":
            value = os.environ.get(self.name)
            if not value:
                raise ConfigurationError(f"the environment variable {self.name} is not set; afluente.yaml refers to it")
            return value
        try:
            return Path(self.name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"cannot read the secret file {self.name}: {error.strerror}") from error


def reference(text: str, where: str) -> Reference:
    """`env:NAME` or `file:PATH`. A literal secret is refused, and not repeated in the error."""
    match = _REFERENCE.match(text)
    if match is None:
        raise ConfigurationError(
            f"{where}: a secret must be a reference, env:NAME or file:PATH; a literal value is refused"
        )
    return Reference(match.group(1), match.group(2))
