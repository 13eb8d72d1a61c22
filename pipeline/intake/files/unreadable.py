"""The one error of a file that cannot be imported."""

from __future__ import annotations

from pipeline.errors import AfluenteError


class UnreadableFileError(AfluenteError):
    """A file that is no table of leads. Nothing of it was stored. The text says what it seems to be and what to do."""
