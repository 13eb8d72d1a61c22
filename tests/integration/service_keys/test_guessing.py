"""Who tries keys is stopped and nobody else: not who was let in from the same address, nor who comes from another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.service_keys.keys import create_key
from pipeline.settings.loading import settings
from tests.support.any_arguments import SOME_ID
from tests.support.granting import OWNER
from tests.support.intake_server import Receiver, running_receiver
from tests.support.services import forget_caches
from tests.support.watching import wait_until

GUESSER, OFFICE, ELSEWHERE = "198.51.100.7", "203.0.113.9", "203.0.113.77"
WITHIN, BESIDE, GUESSER_TOO = "198.18.5.1", "198.18.5.2", "198.18.6.1"


@pytest.fixture(scope="module")
def receiver(module_database) -> Iterator[Receiver]:
    with pytest.MonkeyPatch.context() as patch:  # this machine is the proxy, and says who is behind it
        patch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
        forget_caches()
        with running_receiver() as running:
            yield running


def status_of(receiver: Receiver, key: str, address: str) -> int:
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": address}
    return receiver.get(f"/v1/leads/{SOME_ID}", headers=headers).status_code


def guess(receiver: Receiver, address: str) -> list[int]:
    return [status_of(receiver, f"afl_key_abcdefgh_{number:043}", address) for number in range(40)]


def new_key(receiver: Receiver, address: str, *networks: str) -> str:
    """One that the receiver knows, and that came from this address."""
    key = create_key(settings(), "desk", by=OWNER, role="viewer", networks=networks).key
    assert wait_until(lambda: status_of(receiver, key, address) == 404, seconds=20)
    return key


def test_who_tries_keys_is_stopped_and_a_right_one_among_them_is_not_told_from_the_wrong_ones(receiver):
    right = new_key(receiver, ELSEWHERE)
    answers = guess(receiver, GUESSER)
    assert answers[:30] == [401] * 30
    assert set(answers[31:]) == {429}
    assert status_of(receiver, right, GUESSER) == 429
    assert status_of(receiver, right, ELSEWHERE) == 404


def test_who_was_let_in_from_the_same_address_goes_on(receiver):
    key = new_key(receiver, OFFICE)
    assert guess(receiver, OFFICE)[-1] == 429
    assert status_of(receiver, key, OFFICE) == 404


def test_a_key_that_is_bound_to_networks_goes_on_there_though_nobody_remembers_that_it_was_let_in(receiver):
    """As after a restart, or at another process of the receiver, while a stranger in the same office tries keys."""
    key = new_key(receiver, WITHIN, "198.18.5.0/24")
    free = new_key(receiver, ELSEWHERE)
    assert guess(receiver, BESIDE)[-1] == 429
    assert (status_of(receiver, key, BESIDE), status_of(receiver, free, BESIDE)) == (404, 429)
    assert guess(receiver, GUESSER_TOO)[-1] == 429
    assert status_of(receiver, key, GUESSER_TOO) == 429  # not of its networks: as any wrong one


def test_the_same_wrong_key_again_and_again_is_one_guess(receiver):
    old = [status_of(receiver, "afl_key_abcdefgh_" + "x" * 43, "192.0.2.50") for _ in range(60)]
    assert set(old) == {401}
    key = create_key(settings(), "its successor", by=OWNER, role="viewer").key
    assert wait_until(lambda: status_of(receiver, key, "192.0.2.50") == 404, seconds=20)


def test_a_proxy_that_does_not_say_who_is_behind_it_is_not_counted(receiver):
    headers = [{"Authorization": f"Bearer afl_key_abcdefgh_{number:043}"} for number in range(40)]
    answers = [receiver.get(f"/v1/leads/{SOME_ID}", headers=header).status_code for header in headers]
    assert set(answers) == {401}
