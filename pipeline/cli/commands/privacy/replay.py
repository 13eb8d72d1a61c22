"""`afluente privacy replay-ledger`: after a backup was restored."""

from __future__ import annotations

from pipeline.cli.terminal.connection import RUN_AGAIN, installation
from pipeline.cli.terminal.output import AsJson, example, print_json, print_line

REPLAY = example("afluente privacy replay-ledger", "afluente privacy replay-ledger --json")


def replay(*, as_json: AsJson = False) -> None:
    """Do again what the ledger says and the database does not know.

    For after a backup was restored: whoever was erased, held or restricted since it was taken is so again. `afluente
    up` and `afluente migrate` do so at their start, before anything is sent. Safe to run at any time.
    """
    from pipeline.privacy.replaying import replay_ledger

    with installation(advice=RUN_AGAIN):
        done = replay_ledger()
    if as_json:
        print_json(done)
        return
    for kind, count in sorted(done.counts.items()):
        print_line(f"{kind}: {count} done again")
    if not done.counts:
        print_line("the database knows all that the ledger says")
    if done.torn:
        print_line(f"{done.torn} lines were cut short and left out: what they were about was not begun")
