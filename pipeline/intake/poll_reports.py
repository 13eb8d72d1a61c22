"""One run over a source that is polled or collected: what it brought, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass, field

HOLD_SECONDS = 200.0  # longer than one page can take, waits included; after a kill the next poll comes this late
RUN_SECONDS = 60.0  # then the poll ends where it is and another goes on: other feeds get their turn


@dataclass
class PollReport:
    """What one poll brought. `error` is why it ended early; `is_terminal` that a human must act. `ran` is False if
    somebody else was polling or it was not due. `end`: by what the source's end was known, None if it was not reached.
    `starts_over`: no position is kept, the next run reads from the beginning. `notes`: what a human should know though
    it is no error. A page of a drop folder is a file, of a mailbox a mail."""

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
    starts_over: bool = False

    def add(self, other: PollReport) -> None:
        """Count what another poll brought as well, and note what it noted. Not how it ended."""
        for name in ("accepted", "repeated", "revised", "rejected", "pages"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for note in other.notes:
            self.note(note)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
