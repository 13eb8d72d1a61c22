"""What each kind of CRM can do beside writing, as docs/connectors.md shows it. `python -m tests.architecture.abilities
write` puts the table there, between its marks.
"""

from __future__ import annotations

import sys

from connectors.kit import destination_types
from connectors.kit.destinations.capabilities import CAPABILITIES
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "connectors.md"
BEGIN, END = "<!-- abilities: begin -->\n", "<!-- abilities: end -->\n"
TITLES = {
    "reads": "reads back",
    "deletes": "deletes",
    "describes": "tells its fields",
    "lists": "lists people",
    "finds": "finds people",
    "adopts": "takes records over",
    "sets_up": "is set up by us",
    "jobs": "takes jobs",
    "tells_changes": "tells changes",
}


def table() -> str:
    """A row for each kind, a column for each ability."""
    rows = [
        [f"`{name}` ({kind.title})", *("yes" if ability in kind.abilities else "–" for ability in CAPABILITIES)]
        for name, kind in sorted(destination_types().items())
    ]
    head = ["kind", *(TITLES[ability] for ability in CAPABILITIES)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows))


def shown_table(page: str) -> str:
    """What the page shows between its marks."""
    return page.partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(text.replace(BEGIN + shown_table(text) + END, BEGIN + table() + END), encoding="utf-8")
    else:
        sys.stdout.write(table())
