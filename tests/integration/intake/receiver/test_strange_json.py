"""JSON as nobody writes it on purpose: taken or refused with a reason, by every way in, and never a fault of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.settings.loading import load_settings
from tests.support.intake_server import KEY, Receiver, running_receiver, stored_events
from tests.support.services import forget_caches

NESTED = 2_000
STRANGE = {
    "nested lists": b'{"email": "a@example.org", "x": ' + b"[" * NESTED + b"]" * NESTED + b"}",
    "nested objects": b'{"email": "a@example.org", "x": ' + b'{"a":' * NESTED + b"1" + b"}" * NESTED + b"}",
    "a number of a megabyte": b'{"email": "a@example.org", "n": ' + b"9" * 100_000 + b"}",
    "NaN": b'{"email": "a@example.org", "n": NaN}',
    "infinity": b'{"email": "a@example.org", "n": -Infinity}',
    "1e999": b'{"email": "a@example.org", "n": 1e999}',
    "a lone surrogate": b'{"email": "a@example.org", "n": "\\ud800"}',
    "surrogates the wrong way round": b'{"email": "a@example.org", "n": "\\udc00\\ud800"}',
    "bytes that are no UTF-8": b'{"email": "a@example.org", "n": "\xff\xfe"}',
    "a key of surrogates": b'{"email": "a@example.org", "\\ud800": 1}',
    "a comment": b'{"email": "a@example.org" /* or so */}',
    "two values": b'{"email": "a@example.org"}{"email": "b@example.org"}',
    "a byte order mark": b'\xef\xbb\xbf{"email": "a@example.org"}',
}
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def receiver(module_database) -> Iterator[Receiver]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_API_KEYS", f"a:admin:{KEY}")
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        forget_caches()
        with running_receiver(load_settings()) as running:
            yield running


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("path", ["/v1/leads", "/in/default/web_form"])
def test_it_is_taken_or_refused_and_the_receiver_goes_on(receiver, path, body):
    headers = {**HEADERS, "Authorization": f"Bearer {KEY}"}
    answer = receiver.post(path, data=body, headers=headers)
    assert answer.status_code in (202, 400, 413, 422)
    if answer.status_code >= 400:
        assert answer.json()["message"]
    assert receiver.get("/health/live").status_code == 200


def test_of_a_key_that_stands_twice_the_last_counts_as_everywhere(receiver):
    body = b'{"external_id": "twice", "email": "first@example.org", "email": "last@example.org"}'
    answer = receiver.post("/v1/leads", data=body, headers={**HEADERS, "Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 202
    (stored,) = [event for event in stored_events("api") if b"twice" in event.envelope.body]
    assert b"last@example.org" in stored.envelope.body
    assert b"first@example.org" not in stored.envelope.body
