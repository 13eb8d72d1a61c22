"""The certificate names whoever webhooks told, or may have told; a request that is refused tells and writes nothing."""

from __future__ import annotations

import pytest

from pipeline.errors import RefusedError
from pipeline.privacy import erasure
from pipeline.privacy.ledger import read_ledger
from pipeline.privacy.subjects import Asked
from tests.support.command_line import capture, run, work
from tests.support.identity_rows import rows
from tests.support.own_ledger import ADA

_ADD = """
INSERT INTO webhook_messages (endpoint, event, brand, subject_id, person_id, other_id, state, attempts)
VALUES (%s, 'person.created', 'default', %s, %s, %s, %s, %s) RETURNING message_id
"""


@pytest.mark.parametrize(
    ("state", "attempts", "is_told"),
    [("due", 0, False), ("held", 0, False), ("due", 1, True), ("in_flight", 0, True), ("failed", 3, True),
     ("delivered", 1, True)],
)  # fmt: skip
def test_who_may_have_been_told_stands_on_the_certificate(installation, state, attempts, is_told):
    person_id = installation.person(ADA)
    rows(_ADD, "hook", person_id, person_id, None, state, attempts)
    request = erasure.erase(Asked(person_id=person_id), by="vera")
    assert request.progress.get("told", []) == (["hook"] if is_told else [])
    assert rows("SELECT count(*) FROM webhook_messages WHERE person_id = %s", person_id) == [(0,)]


def test_who_was_told_of_a_merge_with_them_stands_there_too(installation):
    person_id, other = installation.person(ADA), installation.person({"email": "bea@example.com"})
    rows(_ADD, "hook", other, other, person_id, "delivered", 1)
    assert erasure.erase(Asked(person_id=person_id), by="vera").progress["told"] == ["hook"]


def test_who_was_told_of_what_was_set_aside_stands_there_too(installation):
    (unread,) = capture({"email": f"{ADA['email']}, or so"})
    work()
    rows(
        "INSERT INTO webhook_messages (endpoint, event, brand, subject_id, event_id, state)"
        " VALUES ('hook', 'lead.quarantined', 'default', %s, %s, 'delivered') RETURNING 1",
        *(unread, unread),
    )
    request = erasure.erase(Asked(email=ADA["email"]), by="vera")
    ended = erasure.advance(request.request_id)
    assert ended.certificate["systems"] == [{"system": "webhook hook", "state": "unverified", "records": None}]
    assert rows("SELECT count(*) FROM webhook_messages") == [(0,)]


def test_nothing_is_told_and_nothing_written_for_a_request_that_is_refused(installation):
    person_id = installation.person(ADA)
    rows(_ADD, "hook", person_id, person_id, None, "due", 0)
    run("privacy", "hold", "add", "--person", str(person_id), "--reason", "case 17", "--by", "counsel")
    before = read_ledger(), rows("SELECT * FROM webhook_messages"), rows("SELECT * FROM suppressions")
    with pytest.raises(RefusedError, match="legal hold"):
        erasure.erase(Asked(email=ADA["email"]), by="vera")
    assert (read_ledger(), rows("SELECT * FROM webhook_messages"), rows("SELECT * FROM suppressions")) == before
    assert rows("SELECT count(*) FROM privacy_requests") == [(0,)]
