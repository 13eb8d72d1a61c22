"""A ledger of before a rotation is replayed into a database of after it, and the other way: nothing is forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.identity.withdrawn_points import sweep_withdrawn
from pipeline.privacy import erasure, replaying
from pipeline.privacy.ledger import read_ledger
from pipeline.privacy.replaying import replay_ledger
from pipeline.privacy.subjects import Asked, find_subjects
from pipeline.privacy.suppression import suppress_address
from pipeline.privacy.withdrawals import ledger_withdrawals
from pipeline.recompute.index_rotation import rotate
from pipeline.store.engine import engine, transaction
from pipeline.store.keys import index_keys
from pipeline.store.schema import migrate
from tests.integration.privacy.consents.test_withdrawn_points import (
    ADA,
    BEA,
    INFO,
    LETTERS,
    come,
    says,
    states,
    withdraw,
)
from tests.support.command_line import capture, work
from tests.support.identity_rows import rows
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")

MINE = "ada.sample@example.org"


@pytest.fixture
def backup(services, database, monkeypatch) -> Callable[[], Callable[[], None]]:
    """Takes a backup of the database when called; what it gives puts it in the place of the one in use."""

    def take() -> Callable[[], None]:
        engine().dispose()
        url = services.copy_database(database)

        def restore() -> None:
            monkeypatch.setenv("AFLUENTE_DATABASE_URL", url)
            forget_caches()

        return restore

    return take


def agreed(person: dict[str, str], email: str) -> dict[str, object]:
    return {**person, "email": email, "consents": [says()]}


def became(email: str) -> tuple[str, str | None]:
    (event_id,) = capture({**BEA, "email": email})
    work()
    ((state, reason),) = rows("SELECT state, reason FROM events WHERE event_id = %s", event_id)
    return state, reason


def test_what_was_withdrawn_before_a_rotation_is_so_again_after_one(backup):
    ada, bea = come(agreed(ADA, INFO), agreed(BEA, "bea@example.org"))
    restore = backup()
    withdraw(email=INFO)
    ledger_withdrawals(seconds=0)
    restore()
    rotate()
    assert replay_ledger().counts == {"withdraw": 1}
    assert states(LETTERS, ada, bea) == ["refused", "granted"]
    (cem,) = come(agreed({"first_name": "Cem", "last_name": "Third"}, INFO))
    assert states(LETTERS, cem) == ["refused"]
    assert replay_ledger().counts == {}


def test_what_was_withdrawn_after_a_rotation_is_so_again_in_a_backup_of_before_it(backup):
    ada, bea = come(agreed(ADA, INFO), agreed(BEA, "bea@example.org"))
    restore = backup()
    key_id = rotate().key_id
    withdraw(email=INFO)
    ledger_withdrawals(seconds=0)
    assert [digest[8:].hex() for line in read_ledger().lines for digest in line.entry.digests] == [key_id]
    restore()
    assert replay_ledger().counts == {"index_key": 1, "withdraw": 1}
    assert rows("SELECT key_id, linked_at IS NOT NULL FROM withdrawn_points") == [(key_id, True)]
    assert states(LETTERS, ada, bea) == ["refused", "granted"]
    (cem,) = come(agreed({"first_name": "Cem", "last_name": "Third"}, INFO))
    assert states(LETTERS, cem) == ["refused"]
    migrate(engine())


def test_a_replay_that_was_killed_before_it_looked_for_everybody_looks_for_them_when_called_again(backup, monkeypatch):
    (ada,) = come(agreed(ADA, INFO))
    restore = backup()
    withdraw(email=INFO)
    ledger_withdrawals(seconds=0)
    restore()
    rotate()
    with monkeypatch.context() as patch:
        patch.setattr(replaying, "link_kept_withdrawals", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            replay_ledger()
    assert sweep_withdrawn(seconds=0) == 0
    assert states(LETTERS, ada) == ["granted"]
    rotate()
    assert replay_ledger().counts == {}
    assert states(LETTERS, ada) == ["refused"]


def test_what_was_suppressed_by_hand_is_so_again_on_either_side_of_a_rotation(backup):
    restore = backup()
    suppress_address(Asked(email="before@example.org"), reason="objection")
    suppress_address(Asked(email="lifted@example.org"), reason="objection")
    rotate()
    suppress_address(Asked(email="after@example.org"), reason="objection")
    suppress_address(Asked(email="lifted@example.org"), reason="objection", lift=True)
    kept = rows("SELECT digest, reason FROM suppressions ORDER BY 1")
    assert sorted(len(digest) for digest, _ in kept) == [16, 20]
    restore()
    rotate()
    assert replay_ledger().counts == {"suppress": 3, "unsuppress": 1, "index_key": 1}
    assert rows("SELECT digest, reason FROM suppressions ORDER BY 1") == kept
    stopped = ("suppressed", "no_consent")
    found = [became(f"{name}@example.org") for name in ("before", "after", "lifted")]
    assert found == [stopped, stopped, ("settled", None)]


def test_who_was_erased_before_a_rotation_and_asks_again_is_told_of_that_erasure():
    come({**ADA, "email": MINE})
    request = erasure.erase(Asked(email=MINE), by="somebody")
    rotate()
    with transaction() as connection:
        subjects = find_subjects(connection, Asked(email=MINE))
    assert subjects.same == {request.request_id}
    assert index_keys.known().current.generation == 1
