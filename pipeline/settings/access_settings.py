"""What can be set of access: who may type commands, and where the heads of the audit log are written down."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

_FILE = "audit-anchors.jsonl"


class AccessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`command_line`: `open`, whoever has the installation's files may type commands, or `token`, they need a key."""

    command_line: Literal["open", "token"] = "open"


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`anchor`: the file of heads; a place that the database's administrator cannot write is best."""

    anchor: str | None = None

    def path(self, data: Path) -> Path:
        """A relative path begins in the data folder."""
        return data / (self.anchor or _FILE)
