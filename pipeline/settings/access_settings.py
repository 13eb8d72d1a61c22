"""What can be set of access: who may type commands and who signs in, and where the audit log's heads are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pipeline.settings.sign_in_settings import SignInSettings

_FILE = "audit-anchors.jsonl"


class AccessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`command_line`: `open`, whoever has the installation's files may type commands; `token`, they need a key;
    `socket`, the console runs commands for the accounts of this machine that `accounts` names, and whoever has the
    files needs a key. `socket`: its path. `accounts`: name or number of an account to brand (`"*"`: each) to roles.
    `sign_in`: who comes to the console, and by which provider. `longest_key_days`: every new service key ends within
    so many days; None: it need not end."""

    command_line: Literal["open", "token", "socket"] = "open"
    socket: str | None = None
    accounts: dict[str, dict[str, list[str]]] = {}
    sign_in: SignInSettings | None = None
    longest_key_days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] | None = None


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`anchor`: the file of heads; a place that the database's administrator cannot write is best."""

    anchor: str | None = None

    def path(self, records: Path) -> Path:
        """A relative path begins in the folder of records."""
        return records / (self.anchor or _FILE)
