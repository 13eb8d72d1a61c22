"""How an adoption and the people whom a CRM has twice look on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.terminal.output import print_line, print_note, print_table
from pipeline.values.counting import count_people

if TYPE_CHECKING:
    from pipeline.delivery.adoption import Adopted
    from pipeline.inspection.crm.adoptions import PairList


def print_adopted(name: str, adopted: Adopted, *, is_dry_run: bool) -> None:
    """What is there, and what to do about it."""
    counts = adopted.counts
    if adopted.resumed:
        print_line(f"went on after {adopted.resumed} pages that were read before")
    print_line(f"{counts.records} records of people in {name}")
    print_line(f"{counts.keyed} have our id already")
    print_line(f"{counts.recognized} {'would be' if is_dry_run else 'are'} of people whose leads are here")
    print_line(f"{counts.strangers} are of people of whom no lead came yet: they are recognized when one does")
    if adopted.changed:
        print_line(
            f"{count_people(len(adopted.changed))} {'would come' if is_dry_run else 'came'} together or apart by them"
        )
    if counts.pairs and is_dry_run:
        print_note(
            f"{count_people(counts.pairs)} with leads {_have(counts.pairs)} several records there;"
            " those without are not counted here"
        )
    elif counts.pairs:
        print_note(
            f"{count_people(counts.pairs)} {_have(counts.pairs)} several records there:"
            f" `afluente destination pairs {name}`"
        )


def _have(people: int) -> str:
    return "has" if people == 1 else "have"


def print_pairs(name: str, found: PairList) -> None:
    """The record that is written to, and the others."""
    if not found.pairs:
        print_line(f"Nobody is in {name} twice, as it was last read.")
        return
    print_table(
        ("person", "leads", "record that is written to", "the others"),
        [
            (pair.person_id, "yes" if pair.has_leads else "none yet", pair.crm_ids[0], ", ".join(pair.crm_ids[1:]))
            for pair in found.pairs
        ],
    )
    if found.people > len(found.pairs):
        print_line(f"{found.people - len(found.pairs)} more; see them with --limit {found.people}")
