"""Providers that post: what they lose, double and shuffle, how they try again and give up, and what they list after."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import orjson
import pytest

from connectors.kit import Webhook, sources
from connectors.kit.sources.handshakes import handshakes_of, secrets_of_webhook
from connectors.sandbox.providers.greeting import RefusedGreetingError, greet
from connectors.sandbox.providers.invented import Inventor
from connectors.sandbox.providers.posting import Address, Dice, Played, Sender
from connectors.sandbox.providers.retries import RETRIES, attempts_at, retries_of
from tests.support.intake_server import running_receiver
from tests.support.services import forget_caches

SECRET = "whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXRlc3Rz"
AT = datetime(2026, 4, 7, tzinfo=UTC)
GREETED = sorted(
    slug
    for slug, connector in sources().items()
    if isinstance(connector.intake, Webhook) and handshakes_of(connector.intake)
)


@dataclass
class Hook:
    """A receiver that answers `statuses`, one a post, then 200. `posts`: what came, with the moment."""

    statuses: list[int] = field(default_factory=list)
    posts: list[tuple[float, bytes]] = field(default_factory=list)
    url: str = ""


@contextmanager
def hook(*statuses: int) -> Iterator[Hook]:
    made = Hook(list(statuses))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.posts.append((time.monotonic(), body))
            self.send_response(made.statuses.pop(0) if made.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def play(source: str, to: Hook, count: int, *, speed: float = 1e6, seed: int = 0, **dice: Any) -> Played:
    connector = sources()[source]
    inventor = Inventor(connector, seed=seed)
    leads = [inventor.lead(number, AT + timedelta(minutes=number)) for number in range(count)]
    secrets = {secret.name: SECRET for secret in secrets_of_webhook(connector.intake)}
    sender = Sender(inventor, Address(to.url, connector.intake, secrets), retries_of(source), speed=speed)
    return sender.play(leads, Dice(seed=seed, **dice))


def numbers(to: Hook) -> list[str]:
    return [orjson.loads(body)["form_response"]["token"] for _, body in to.posts]


def test_a_share_is_lost_a_share_comes_twice_and_none_in_order():
    with hook() as taker:
        played = play("typeform", taker, 100, lose=0.05, double=0.10, over_seconds=60)
    came = numbers(taker)
    assert (len(played.lost), len(played.doubled), len(came)) == (5, 10, 95 + 10)
    assert set(came) == {token for token in came if token not in played.lost}
    assert len(set(came)) == 95
    assert played.missing == set(played.lost)
    first = list(dict.fromkeys(came))
    assert first != sorted(first)


def test_the_same_seed_loses_and_doubles_the_same():
    with hook() as taker:
        once, again, other = (play("typeform", taker, 60, lose=0.1, double=0.1, seed=seed) for seed in (4, 4, 5))
    assert (once.lost, once.doubled) == (again.lost, again.doubled)
    assert {token[-4:] for token in once.lost} != {token[-4:] for token in other.lost}


def test_a_delivery_holds_several_where_the_source_has_lists():
    with hook() as taker:
        played = play("meta_lead_ads", taker, 23, batch=10, shuffled=False)
    sizes = [len(orjson.loads(body)["entry"][0]["changes"]) for _, body in taker.posts]
    assert (sizes, played.deliveries) == ([10, 10, 3], 3)


def test_what_is_not_taken_is_tried_again_as_the_provider_does_until_it_gives_up():
    waits = RETRIES["zoom_webinar"].waits
    with hook(*[500] * 9) as refuser:
        played = play("zoom_webinar", refuser, 1, speed=sum(waits) / 0.8)
    assert (played.posts, played.retries, len(played.given_up)) == (len(waits) + 1, len(waits), 1)
    moments = [moment for moment, _ in refuser.posts]
    assert sorted(later - before for before, later in pairwise(moments)) == [
        later - before for before, later in pairwise(moments)
    ]  # 5, 20, 60 minutes
    assert len({body for _, body in refuser.posts}) == 1


@pytest.mark.parametrize(
    ("source", "status", "posts"),
    [
        ("typeform", 503, 2),
        ("typeform", 500, 1),  # a status that this provider does not try again
        ("zendesk", 500, 1),
        ("google_ads_lead_form", 500, 2),
        ("google_ads_lead_form", 400, 1),
        ("contact_form_7", 503, 1),  # sent while its visitor waits, and never again
        ("meta_lead_ads", 404, 2),
        ("tiktok_lead_gen", 202, 2),  # only 200 counts as taken
    ],
)
def test_what_is_tried_again_depends_on_the_provider(source, status, posts):
    with hook(status) as taker:
        played = play(source, taker, 1, speed=1e9)
    assert (len(taker.posts), bool(played.missing)) == (posts, posts == 1)


def test_a_provider_that_is_told_that_the_address_is_gone_sends_nothing_more():
    with hook(200, 410) as taker:
        played = play("typeform", taker, 10, shuffled=False)
    assert (len(taker.posts), played.switched_off_by) == (2, 410)
    assert (len(played.given_up), len(played.unsent), len(played.missing)) == (1, 8, 9)


def test_a_provider_that_ends_the_subscription_with_what_it_gives_up_sends_nothing_more():
    with hook(*[500] * 99) as refuser:
        played = play("shopify", refuser, 3, shuffled=False, over_seconds=3 * 86_400, speed=4 * 3_600 / 0.5)
    assert len(refuser.posts) == 1 + len(RETRIES["shopify"].waits)
    assert (played.switched_off_by, len(played.given_up), len(played.unsent)) == (500, 1, 2)


def test_an_address_that_answers_nothing_is_tried_again_until_it_does():
    with hook() as taker:
        pass  # closed again: nobody listens there
    connector = sources()["typeform"]
    inventor = Inventor(connector)
    address = Address(taker.url, connector.intake, {"TYPEFORM_SECRET": SECRET})
    began, is_over = time.monotonic(), threading.Event()
    sender = Sender(inventor, address, retries_of("typeform"), speed=150 / 0.05, is_over=is_over.is_set)
    thread = threading.Thread(target=sender.play, args=([inventor.lead(1, AT)], Dice()))
    thread.start()
    while sender.played.retries < 3:
        assert time.monotonic() - began < 60
        time.sleep(0.01)
    is_over.set()
    thread.join()
    assert sender.played.answers == {0: sender.played.posts}
    assert len(sender.played.unsent) == 1


def test_every_schedule_is_one_of_a_source_there_is_and_ends():
    for source, retries in RETRIES.items():
        assert isinstance(sources()[source].intake, Webhook), source
        assert attempts_at(retries)[-1] == pytest.approx(retries.hours * 3_600)
        assert retries.hours <= 7 * 24, source


@pytest.mark.short(3)
@pytest.mark.parametrize("source", GREETED)
def test_a_provider_makes_its_handshakes_first(source, database, monkeypatch):
    webhook = sources()[source].intake
    secrets = {secret.name: f"{SECRET}-{secret.name}" for secret in secrets_of_webhook(webhook)}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    forget_caches()
    with running_receiver() as receiver:
        url = f"{receiver.address}/in/default/{source}"
        assert greet(webhook, url, secrets) == len(handshakes_of(webhook))
        if any(handshake.secrets for handshake in handshakes_of(webhook)):
            others = dict.fromkeys(secrets, "another")
            with pytest.raises(RefusedGreetingError, match="handshake"):
                greet(webhook, url, others)
