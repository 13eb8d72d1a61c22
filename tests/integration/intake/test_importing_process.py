"""An import leaves the process in which it runs as it was: a program may go on with other work."""

from __future__ import annotations

import gc

import pytest

from pipeline.intake.files.imports import import_file
from pipeline.intake.files.unreadable import UnreadableFileError


def test_garbage_is_collected_seldom_while_rows_are_read_and_as_before_afterwards(database, tmp_path):
    before = gc.get_threshold()
    during: list[int] = []
    file = tmp_path / "leads.csv"
    file.write_text("Account Id,First Name,Email 1\na1,Ada,ada@example.org\n")
    import_file(
        file,
        source="datablist",
        brand="default",
        on_progress=lambda *_: during.append(gc.get_threshold()[0]),
    )
    assert min(during) > before[0]
    assert gc.get_threshold() == before
    file.write_text("")
    with pytest.raises(UnreadableFileError):
        import_file(file, source="datablist", brand="default")
    assert gc.get_threshold() == before
