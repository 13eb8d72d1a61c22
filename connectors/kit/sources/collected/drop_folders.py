"""A folder that somebody else puts files of leads into: over SFTP, a mount, a synchronized drive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from connectors.kit.errors import ConfigurationError
from connectors.kit.sources.collected.kinds import Collected, SourceEntry, read_position, wrong_choice

READY = ("stable", "done", "sha256", "renamed")
_ORDERS = ("dmy", "mdy")


@dataclass(frozen=True, slots=True)
class DropFolder(Collected):
    """Files in `sources.NAME.folder`, each imported once and then moved to `archive/` or `rejected/`.

    `ready` says when a file is whole: "stable", it looked the same twice, `settle_seconds` apart; "done", `NAME.done`
    lies beside it; "sha256", `NAME.sha256` does, and its checksum fits; "renamed", as soon as it is seen, because the
    sender uploads under another name (`.part`, `.tmp`, or one that begins with a dot). `sources.NAME.options` may say
    another `ready` and `settle_seconds`, and how files are read: `dates`, `encoding`, `sheet`.
    """

    option_names: ClassVar[tuple[str, ...]] = ("ready", "settle_seconds", "dates", "encoding", "sheet")

    every_seconds: int = 30
    ready: str = "stable"
    settle_seconds: float = 10.0
    max_file_bytes: int = 2_147_483_648

    def lacks(self, slug: str, entry: SourceEntry) -> str | None:
        if not entry.folder:
            return f"set sources.{slug}.folder to the folder that its files are put into"
        options = entry.options
        settle = options.get("settle_seconds", 0)
        if isinstance(settle, bool) or not isinstance(settle, int | float) or not 0 <= settle <= 86_400:
            return f"sources.{slug}.options.settle_seconds must be a number of seconds, up to a day"
        return wrong_choice(f"sources.{slug}.options.ready", options.get("ready"), READY) or wrong_choice(
            f"sources.{slug}.options.dates", options.get("dates"), _ORDERS
        )

    def begins_at(self, _value: str) -> str:
        raise ConfigurationError("a drop folder has no cursor to begin at: put the file into it again")

    def told(self, position: str | None) -> str | None:
        read = read_position(position)
        counts = {word: int(read.get(word, 0)) for word in ("waiting", "rejected")}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or None

    def problem(self, position: str | None) -> str | None:
        rejected = int(read_position(position).get("rejected", 0))
        if not rejected:
            return None
        files = "1 file lies" if rejected == 1 else f"{rejected} files lie"
        return (
            f"{files} in rejected/ of its folder, and why stands in the .reason.txt beside it: mend it and put it into"
            " the folder again, or remove it from rejected/"
        )
