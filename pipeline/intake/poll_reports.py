"""What one poll brought."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class PollReport:
    """What one poll brought. `error` is why it ended early; `is_terminal` that a human must act. `ran` is False if
    somebody else was polling or it was not due. `end`: by what the source's end was known, None if it was not reached.
    `notes`: what a human should know though it is no error."""

    accepted: int = 0
    repeated: int = 0
    revised: int = 0
    rejected: int = 0
    pages: int = 0
    end: str | None = None
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    quota_wait: float | None = None  # seconds, where the error was that the source is asked too often
    is_terminal: bool = False
    ran: bool = True

    def add(self, other: PollReport) -> None:
        """Count what another poll brought as well, and note what it noted. Not how it ended."""
        for name in ("accepted", "repeated", "revised", "rejected", "pages"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.notes += [note for note in other.notes if note not in self.notes]
