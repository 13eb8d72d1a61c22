"""How far it is with finding out anew who is who: bars on a terminal, lines in a log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypedDict

from pipeline.cli.terminal.output import print_note
from pipeline.values.counting import count_people

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

    from pipeline.recompute.people import RecomputedPeople

_LINE_SECONDS = 10.0


class PeopleBars(TypedDict):
    """What `recompute_people` and `finish_upgrade` tell their progress to."""

    on_refiling: Callable[[int, int], None]
    on_filing: Callable[[int, int], None]
    on_progress: Callable[[RecomputedPeople, int], None]


def people_bars(progress: Progress) -> PeopleBars:
    """Bars for evidence filed anew and earlier leads without any, if there are, and for the evidence of all."""
    bars: dict[str, TaskID] = {}

    def show(name: str, completed: int, total: int, note: str = "") -> None:
        if name not in bars:
            bars[name] = progress.add_task(name, total=total, note="")
        progress.update(bars[name], completed=completed, total=total, note=note)

    return {
        "on_refiling": lambda done, pieces: show("evidence filed", done, pieces),
        "on_filing": lambda done, events: show("earlier leads", done, events),
        "on_progress": lambda done, pieces: show(
            "evidence",
            done.pieces,
            pieces,
            f"{count_people(done.joined)} joined, {done.parted} came apart",
        ),
    }


def people_lines() -> PeopleBars:
    """For a log: a line now and then, and at the end."""
    last = time.monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_SECONDS or done == total:
            last = time.monotonic()
            print_note(f"{what}: {done} of {total}")

    return {
        "on_refiling": lambda done, pieces: show("evidence filed anew", done, pieces),
        "on_filing": lambda done, events: show("earlier leads filed", done, events),
        "on_progress": lambda done, pieces: show("evidence weighed", done.pieces, pieces),
    }
