"""`afluente source send` of each shipped source that posts: the sample goes out as its sender would send it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.kit import Api, Connector, Signature, Webhook
from connectors.kit.registry import shipped_sources
from pipeline.authoring.rehearsal import send_sample
from tests.support.intake_server import KEY, Receiver, count_events, running_receiver, stored_events
from tests.support.posted_sources import set_secrets
from tests.support.services import forget_caches

POSTING = sorted(slug for slug, connector in shipped_sources().items() if isinstance(connector.intake, (Webhook, Api)))
_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


def signature_of(connector: Connector) -> Signature | None:
    return getattr(connector.intake, "signature", None)


@pytest.fixture(scope="module")
def receiver(module_database) -> Iterator[Receiver]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_API_KEYS", f"tests:admin:{KEY}")
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        set_secrets(patch, POSTING, _SECRET)
        forget_caches()
        with running_receiver() as running:
            yield running
    forget_caches()


@pytest.mark.parametrize("slug", POSTING)
def test_a_rehearsal_is_taken_with_the_proof_that_its_sender_gives(receiver, slug):
    sent = send_sample(slug, address=receiver.address)
    assert sent.ok, sent
    assert sent.event_ids
    signature = signature_of(shipped_sources()[slug])
    proofs = {event.envelope.origin.get("verified_by") for event in stored_events(slug)}
    assert proofs == {None if signature is None else type(signature).__name__}


@pytest.mark.parametrize("slug", POSTING)
def test_a_rehearsal_that_is_repeated_is_the_same_lead(receiver, slug):
    first = send_sample(slug, address=receiver.address)
    before = count_events(slug)
    again = send_sample(slug, address=receiver.address)
    assert again.event_ids == first.event_ids
    assert count_events(slug) == before
