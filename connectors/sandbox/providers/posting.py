"""A provider that posts what it has, as badly as providers do: some deliveries are lost, some come twice, out of order.

What is not taken is tried again on the provider's own schedule, on a clock that runs faster, until it gives up.
"""

from __future__ import annotations

import hashlib
import heapq
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import requests

from connectors.kit.sources.declarations import Webhook
from connectors.kit.sources.key_in_body import signed_body
from connectors.sandbox.providers.invented import Inventor, Lead
from connectors.sandbox.providers.retries import Retries
from connectors.sandbox.providers.signing import signed_headers


@dataclass(frozen=True, slots=True)
class Dice:
    """Shares of deliveries, 0 to 1, of which the same seed chooses the same. `batch`: the most leads in one delivery,
    where the source has lists. `over_seconds`: of the provider's clock, in which all are posted for the first time."""

    lose: float = 0.0
    double: float = 0.0
    shuffled: bool = True
    batch: int = 1
    over_seconds: float = 0.0
    seed: int = 0


@dataclass
class Played:
    """What a provider did. Ids are the source's own; `answers`: by status, 0 where none came; `taken`: what came;
    `switched_off_by`: the status after which it sent nothing more."""

    leads: int = 0
    deliveries: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    posts: int = 0
    retries: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    switched_off_by: int | None = None
    taken: set[str] = field(default_factory=set, repr=False)

    @property
    def missing(self) -> set[str]:
        """Of which leads nothing was ever taken."""
        return {*self.lost, *self.given_up, *self.unsent} - self.taken


@dataclass(frozen=True, slots=True)
class Address:
    """Where a provider posts to. `secrets`: by the name that they are declared under."""

    url: str
    webhook: Webhook
    secrets: Mapping[str, str] = field(repr=False)

    def post(self, body: bytes, content_type: str, *, session: requests.Session, timeout: float) -> int | None:
        """The status; None where no answer came. Signed anew for each attempt."""
        message_id = "msg_" + hashlib.sha256(body).hexdigest()[:24]
        headers = {"Content-Type": content_type}
        signature = self.webhook.signature
        if signature is not None:
            secret = self.secrets[signature.secret.name]
            body = signed_body(signature, secret, body)
            headers |= signed_headers(signature, secret, body, message_id, self.url, now=time.time())
        if (name := self.webhook.idempotency_header) and name not in {known.lower() for known in headers}:
            headers[name] = message_id
        try:
            return session.post(
                self.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ).status_code
        except requests.RequestException:
            return None


@dataclass(frozen=True, slots=True)
class _Delivery:
    ids: tuple[str, ...]
    body: bytes = field(repr=False)
    is_second: bool = False


class Sender:
    """Posts leads of one source. `speed`: seconds of the provider's clock in one of ours. Ends by itself, also before
    its time where `is_over` says so."""

    def __init__(
        self,
        inventor: Inventor,
        address: Address,
        retries: Retries,
        *,
        speed: float = 1.0,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._inventor, self._address, self._retries = inventor, address, retries
        self._speed, self._is_over = speed, is_over
        self.played = Played()

    def play(self, leads: Sequence[Lead], dice: Dice) -> Played:
        """Every delivery, to its end. `played` may be looked at meanwhile."""
        queue = self._planned(leads, dice)
        began = time.monotonic()
        with requests.Session() as session:
            while queue:
                due, number, attempt, delivery = heapq.heappop(queue)
                if self.played.switched_off_by is not None or not self._wait_until(began + due / self._speed):
                    self._note(self.played.unsent, delivery)
                    continue
                wait = self._attempt(delivery, attempt, session)
                if wait is not None:
                    now = (time.monotonic() - began) * self._speed
                    heapq.heappush(queue, (max(now, due) + wait, number, attempt + 1, delivery))
        return self.played

    def _planned(self, leads: Sequence[Lead], dice: Dice) -> list[tuple[float, int, int, _Delivery]]:
        chance = random.Random(dice.seed)  # noqa: S311 - dice, not secrets
        deliveries = self._deliveries(leads, dice.batch)
        played = self.played
        played.leads, played.deliveries = len(leads), len(deliveries)
        lost = set(_share(chance, len(deliveries), dice.lose))
        kept = [place for place in range(len(deliveries)) if place not in lost]
        played.lost = [own_id for place in sorted(lost) for own_id in deliveries[place].ids]
        doubled = {kept[place] for place in _share(chance, len(kept), dice.double)}
        times = [dice.over_seconds * place / max(len(deliveries), 1) for place in range(len(deliveries))]
        if dice.shuffled:
            chance.shuffle(times)
        queue: list[tuple[float, int, int, _Delivery]] = []
        for place in kept:
            queue.append((times[place], len(queue), 0, deliveries[place]))
            if place in doubled:
                second = _Delivery(deliveries[place].ids, deliveries[place].body, is_second=True)
                played.doubled += second.ids
                queue.append((chance.uniform(times[place], dice.over_seconds), len(queue), 0, second))
        heapq.heapify(queue)
        return queue

    def _deliveries(self, leads: Sequence[Lead], batch: int) -> list[_Delivery]:
        size = batch if self._inventor.takes_many else 1
        if size <= 1:
            return [_Delivery((lead.id,), lead.body) for lead in leads]
        groups = [leads[start : start + size] for start in range(0, len(leads), size)]
        return [
            _Delivery(tuple(lead.id for lead in group), self._inventor.body_of([lead.record for lead in group]))
            for group in groups
        ]

    def _attempt(self, delivery: _Delivery, attempt: int, session: requests.Session) -> float | None:
        """Seconds of the provider's clock until the next one; None: there is none."""
        played, retries = self.played, self._retries
        status = self._address.post(
            delivery.body, self._inventor.content_type, session=session, timeout=retries.timeout_seconds
        )
        played.posts += 1
        played.retries += attempt > 0
        played.answers[status or 0] += 1
        if retries.is_taken(status):
            played.taken.update(delivery.ids)
            return None
        if status in retries.switches_off:
            played.switched_off_by = status
        elif retries.is_tried_again(status) and attempt < len(retries.waits):
            return retries.waits[attempt]
        elif retries.ends_given_up:
            played.switched_off_by = status or 0
        self._note(played.given_up, delivery)
        return None

    @staticmethod
    def _note(ids: list[str], delivery: _Delivery) -> None:
        """A second delivery that fails takes nothing away."""
        if not delivery.is_second:
            ids.extend(delivery.ids)

    def _wait_until(self, moment: float) -> bool:
        """False if it is over before."""
        while not self._is_over():
            rest = moment - time.monotonic()
            if rest <= 0:
                return True
            time.sleep(min(rest, 0.1))
        return False


def _share(chance: random.Random, count: int, share: float) -> list[int]:
    """That share of the places up to `count`, at least one if there is any."""
    return chance.sample(range(count), min(count, max(1, round(count * share)))) if share > 0 and count else []
