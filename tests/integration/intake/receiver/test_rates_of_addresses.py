"""What strangers of one address may send, and who else may not: the address is that of the sender, not of the proxy."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from pipeline.settings.loading import load_settings
from tests.support.intake_server import Receiver, running_receiver
from tests.support.services import forget_caches

CONFIG = """
sources: {slow_form: {connector: web_form, rate_per_second: 1}}
receiver: {trusted_proxies: [127.0.0.1], unsigned_per_address: 2}
"""


@pytest.fixture(scope="module")
def receiver(module_database, tmp_path_factory) -> Iterator[Receiver]:
    config = tmp_path_factory.mktemp("config") / "afluente.yaml"
    config.write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFLUENTE_CONFIG", str(config))
        patch.setenv("AFLUENTE_BROKER_URL", "redis+socket:///nonexistent/redis.sock")
        forget_caches()
        with running_receiver(load_settings()) as running:
            yield running


def post(receiver: Receiver, address: str | None, *, source: str = "web_form"):
    form = {"submission_id": str(uuid.uuid4()), "fields": {"email": "ada@example.org"}}
    headers = {"X-Forwarded-For": address} if address else {}
    return receiver.post(f"/in/default/{source}", json=form, headers=headers)


def statuses(receiver: Receiver, address: str | None, count: int, **options: str) -> set[int]:
    return {post(receiver, address, **options).status_code for _ in range(count)}


def test_an_address_that_floods_a_form_is_429_and_another_is_served(receiver):
    answers = [post(receiver, "198.51.100.7") for _ in range(40)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == 202
    assert len(refused) >= 10
    assert refused[0].json()["error"] == "too_fast"
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert statuses(receiver, "198.51.100.8", 3) == {202}


def test_the_last_word_of_the_proxy_counts_and_not_what_the_sender_wrote_before_it(receiver):
    answers = {post(receiver, f"198.51.100.{number}, 198.51.100.9").status_code for number in range(40)}
    assert answers == {202, 429}


def test_a_customer_s_whole_network_of_version_6_is_one_address(receiver):
    answers = {post(receiver, f"2001:db8:1:2::{number:x}").status_code for number in range(40)}
    assert answers == {202, 429}
    assert statuses(receiver, "2001:db8:1:3::1", 3) == {202}


def test_a_proxy_that_does_not_say_who_is_behind_it_is_not_held_to_the_rate_of_one(receiver):
    assert statuses(receiver, None, 40) == {202}


def test_the_rate_of_a_source_holds_over_all_addresses(receiver):
    answers = [post(receiver, f"203.0.113.{number}", source="slow_form").status_code for number in range(20)]
    assert set(answers) == {202, 429}
