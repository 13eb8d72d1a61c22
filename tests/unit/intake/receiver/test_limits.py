"""Small parts of the receiver: rates, headers worth keeping, secrets that are looked up."""

from __future__ import annotations

import gzip

import pytest

from pipeline.intake.arrivals import kept_headers
from pipeline.intake.receiver.answers import RefusedError
from pipeline.intake.receiver.rate_limits import RateLimits
from pipeline.intake.receiver.request_bodies import unpack
from tests.support.memory import most_memory


def test_a_source_may_burst_and_then_keeps_its_rate():
    now = [0.0]
    limits = RateLimits(clock=lambda: now[0])
    assert [limits.take("a", rate_per_second=5) for _ in range(10)] == [0.0] * 10
    assert limits.take("a", rate_per_second=5) == pytest.approx(0.2)
    assert limits.take("b", rate_per_second=5) == 0.0
    now[0] += 0.2
    assert limits.take("a", rate_per_second=5) == 0.0
    now[0] += 1000
    assert sum(limits.take("a", rate_per_second=5) == 0.0 for _ in range(100)) == 10


@pytest.mark.parametrize("rate", [None, 0])
def test_a_source_without_a_rate_is_never_held_back(rate):
    limits = RateLimits()
    assert not any(limits.take("a", rate_per_second=rate) for _ in range(1000))


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "cookie",
        "x-api-key",
        "x-hub-signature-256",
        "webhook-signature",
        "x-forwarded-for",
        "x-real-ip",
        "x-auth-token",
        "host",
        "x-amzn-trace-id",
        "x-shopify-hmac-sha256",
    ],
)
def test_no_credential_signature_or_visitor_s_address_is_kept(name):
    assert kept_headers({name: "v"}) == {}


@pytest.mark.parametrize("name", ["user-agent", "referer", "origin", "webhook-id", "svix-id", "x-shopify-topic"])
def test_what_a_mapping_may_need_is_kept(name):
    assert kept_headers({name: "v" * 5000}) == {name: "v" * 1000}


def test_a_flood_of_headers_is_bounded():
    assert len(kept_headers({f"x-n-{number}": "v" for number in range(1000)})) == 40


def test_a_packed_body_is_unpacked_no_further_than_the_limit():
    bomb = gzip.compress(b" " * 100_000_000)

    def refuse() -> None:
        with pytest.raises(RefusedError) as refused:
            unpack(bomb, 262_144)
        assert refused.value.status == 413

    assert most_memory(refuse) < 2_000_000


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-9], lambda packed: packed + b"more", lambda _: b"no gzip"])
def test_a_packed_body_that_is_not_whole_is_refused(spoil):
    packed = gzip.compress(b'{"email": "ada@example.org"}')
    assert unpack(packed, 1_000) == b'{"email": "ada@example.org"}'
    with pytest.raises(RefusedError) as refused:
        unpack(spoil(packed), 1_000)
    assert refused.value.status == 400


def test_a_body_of_many_records_is_let_in_whole_and_the_next_one_waits_for_all_of_them():
    now = [0.0]
    limits = RateLimits(clock=lambda: now[0])
    assert limits.take("a", rate_per_second=5) == 0.0
    limits.charge("a", 99, rate_per_second=5)
    assert limits.take("a", rate_per_second=5) == pytest.approx((100 - 10 + 1) / 5)
    now[0] += 18.2
    assert limits.take("a", rate_per_second=5) == 0.0
    limits.charge("a", 1_000, rate_per_second=None)
    limits.charge("a", 0, rate_per_second=5)


def test_names_of_headers_have_a_length_and_all_that_is_kept_has_a_size():
    assert kept_headers({"x-" + "a" * 99: "v"}) == {}
    assert kept_headers({"x-" + "a" * 98: "v"})
    kept = kept_headers({f"x-{number}": "v" * 1_000 for number in range(40)})
    assert 10 < len(kept) < 20
