"""Personal data is sealed: only the right key and the right place open it."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from pipeline.crypto import encryption
from pipeline.crypto.blind_index import BlindIndex
from pipeline.crypto.encryption import Cipher
from pipeline.errors import ConfigurationError
from pipeline.records import Activity, Batch, Envelope, FieldValue, Lead, Profile, new_id

OLD, NEW = "an old key, thirty-two characters", "a new key, thirty-two characters."
PLAIN = b'{"email": "ada.sample@example.com"}'
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setattr(encryption, "cipher", lambda: Cipher([NEW]))


def test_what_was_sealed_opens_again_and_does_not_show():
    cipher = Cipher([NEW])
    sealed = cipher.seal(PLAIN, context=b"body:1")
    assert cipher.open(sealed, context=b"body:1") == PLAIN
    assert b"ada" not in sealed
    assert b"example" not in sealed


def test_sealing_twice_gives_two_ciphertexts():
    cipher = Cipher([NEW])
    assert cipher.seal(PLAIN, context=b"body:1") != cipher.seal(PLAIN, context=b"body:1")


def test_a_value_moved_to_another_row_does_not_open_there():
    cipher = Cipher([NEW])
    sealed = cipher.seal(PLAIN, context=b"profile:1")
    with pytest.raises(ValueError, match="a sealed profile was altered, or belongs to another row"):
        cipher.open(sealed, context=b"profile:2")


@pytest.mark.parametrize("place", [4, 15, 16, -1])
def test_an_altered_value_does_not_open(place):
    cipher = Cipher([NEW])
    sealed = bytearray(cipher.seal(PLAIN, context=b"body:1"))
    sealed[place] ^= 1
    with pytest.raises(ValueError, match="was altered"):
        cipher.open(bytes(sealed), context=b"body:1")


def test_the_first_key_seals_and_every_key_opens():
    sealed_by_old = Cipher([OLD]).seal(PLAIN, context=b"c")
    rotated = Cipher([NEW, OLD])
    assert rotated.open(sealed_by_old, context=b"c") == PLAIN
    assert Cipher([NEW]).open(rotated.seal(PLAIN, context=b"c"), context=b"c") == PLAIN


def test_a_missing_key_is_named_with_the_remedy_and_without_the_key():
    sealed = Cipher([OLD]).seal(PLAIN, context=b"c")
    with pytest.raises(ConfigurationError) as caught:
        Cipher([NEW]).open(sealed, context=b"c")
    assert Cipher([OLD]).key_ids[0] in str(caught.value)
    assert "add the old key after the new one" in str(caught.value)
    assert OLD not in str(caught.value)
    assert NEW not in str(caught.value)


def test_no_key_and_a_short_key_are_refused():
    with pytest.raises(ConfigurationError, match="AFLUENTE_SECRET_KEYS"):
        Cipher([])
    with pytest.raises(ConfigurationError, match="fewer than 16 characters") as caught:
        Cipher([NEW, "too short"])
    assert "too short" not in str(caught.value)


@pytest.mark.usefixtures("keys")
def test_an_envelope_comes_back_byte_by_byte():
    event_id = new_id()
    envelope = Envelope("text/plain", b"\x00\xff{}", {"user-agent": "é"}, {"line": 17, "file_digest": "ab"})
    assert encryption.open_envelope(encryption.seal_envelope(envelope, event_id), event_id) == envelope
    with pytest.raises(ValueError, match="body"):
        encryption.open_envelope(encryption.seal_envelope(envelope, event_id), new_id())


@pytest.mark.usefixtures("keys")
def test_a_profile_comes_back_with_the_origin_of_each_field():
    person_id, first, second = new_id(), new_id(), new_id()
    profile = Profile(
        {
            "email": FieldValue("ada.sample@example.com", "web_form", first, NOON),
            "other_phones": FieldValue(["+442079460018"], "datablist", second, NOON),
            "employee_count": FieldValue(5, "web_form", first, NOON),
            "company": FieldValue(None, "web_form", second, datetime(2025, 3, 1, 12, 0, 0, 1, tzinfo=UTC)),
        }
    )
    assert encryption.open_profile(encryption.seal_profile(profile, person_id), person_id) == profile


@pytest.mark.usefixtures("keys")
def test_a_batch_opens_only_under_its_claim():
    claim_id = new_id()
    lead = Lead(new_id(), "default", "web_form", "hot", NOON, NOON, "web_form@1", {"email": "ada.sample@example.com"})
    sealed = encryption.seal_batch(Batch(claim_id, "hot", [lead]))
    assert encryption.open_batch(sealed, claim_id) == Batch(claim_id, "hot", [lead])
    assert b"ada" not in sealed
    with pytest.raises(ValueError, match="batch"):
        encryption.open_batch(sealed, new_id())


def test_a_batch_that_was_packed_before_an_activity_had_to_have_its_lead_is_read(keys):
    event_id, claim_id = UUID(int=1), UUID(int=2)
    lead = Lead(event_id, "default", "api", "hot", NOON, NOON, "1", fields={"email": "ada@example.org"})
    batch = Batch(
        claim_id,
        "hot",
        activities=[Activity(event_id, "activity", kind="came", wait_days=3, details={"room": "Blue"}, lead=lead)],
    )
    packed_lead = [event_id.bytes, "default", "api", "hot", NOON, NOON, "1", {"email": "ada@example.org"}, {}, {}, {},
                   [], None, None, [], [], False, None, False, None, None, {}]  # fmt: skip
    since = [False]  # fields of today stand behind those of before, whose programs leave them out

    def packed(*more):
        packed_activity = [event_id.bytes, "activity", None, "came", 3, {"room": "Blue"}, [*packed_lead, *more]]
        return msgspec.msgpack.encode([claim_id.bytes, "hot", [], [], [], [], [packed_activity]])

    context = b"batch:" + claim_id.bytes
    assert encryption.open_batch(Cipher([NEW]).seal(zlib.compress(packed()), context=context), claim_id) == batch
    assert zlib.decompress(Cipher([NEW]).open(encryption.seal_batch(batch), context=context)) == packed(*since)


def test_the_blind_index_depends_on_its_key_and_what_it_is_of():
    index = BlindIndex(b"k" * 32)
    number = index.number("email ada.sample@example.com")
    assert -(2**63) <= number < 2**63
    assert number == BlindIndex(b"k" * 32).number("email ada.sample@example.com")
    assert len({number, index.number("phone ada.sample@example.com"), index.number("email bob@example.com")}) == 3
    assert number != BlindIndex(b"l" * 32).number("email ada.sample@example.com")
    assert index.content_id(b"a") == BlindIndex(b"k" * 32).content_id(b"a")
    assert len({index.content_id(b"a"), index.content_id(b"b"), BlindIndex(b"l" * 32).content_id(b"a")}) == 3


def test_a_key_of_another_length_is_no_index_key():
    with pytest.raises(ValueError, match="32 bytes"):
        BlindIndex(b"short")
