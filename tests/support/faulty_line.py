"""A line to a CRM that spoils a share of the calls, in one way at a time or in all of them."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from connectors.kit.conformance.destinations.line import Line, LineAnswer
from connectors.kit.conformance.destinations.spoiling import emptied, shuffled

PATIENCE_SECONDS = 0.3  # of a writer, for `answers_late`
_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAGE = b"<!doctype html><html><body><h1>Scheduled maintenance</h1></body></html>"
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_JSON = {"Content-Type": "application/json"}

Call = Callable[[], LineAnswer]
Fault = Callable[[Call], LineAnswer | None]
"""What becomes of a call: given the way to make it, an answer, or None for a connection that is cut."""


def says(status: int, headers: Mapping[str, str], body: bytes = b"{}") -> Fault:
    return lambda _call: LineAnswer(status, headers, body)


def too_many_until_a_date(_call: Call) -> LineAnswer:
    now = datetime.now(UTC)
    dated = {"Date": format_datetime(now, usegmt=True)}
    until = format_datetime(now + timedelta(seconds=2), usegmt=True)
    return LineAnswer(429, {**_JSON, **dated, "Retry-After": until}, b"{}")


def with_status_207(call: Call) -> LineAnswer:
    answer = call()
    return LineAnswer(207, answer.headers, answer.body) if answer.status == 200 else answer


def without_results(call: Call) -> LineAnswer:
    return emptied(call())


def in_another_order(call: Call) -> LineAnswer:
    return shuffled(call())


def with_keys_in_capitals(call: Call) -> LineAnswer:
    answer = call()
    return LineAnswer(answer.status, answer.headers, _UUID.sub(lambda key: key[0].upper(), answer.body))


def done_and_cut(call: Call) -> None:
    call()


def answers_late(call: Call) -> LineAnswer:
    answer = call()
    time.sleep(PATIENCE_SECONDS * 1.6)
    return answer


def done_and_failed(call: Call) -> LineAnswer:
    call()
    return LineAnswer(500, _JSON, b"{}")


FAULTS: dict[str, Fault] = {
    "429_with_seconds": says(429, {**_JSON, "Retry-After": "1"}),
    "429_with_a_date": too_many_until_a_date,
    "429_alone": says(429, _JSON),
    "207": with_status_207,
    "409_for_the_batch": says(409, _JSON),
    "200_without_results": without_results,
    "502_page": says(502, _HTML, _PAGE),
    "maintenance_page": says(200, _HTML, _PAGE),
    "503_maintenance": says(503, {**_HTML, "Retry-After": "1"}, _PAGE),
    "late_answer": answers_late,
    "done_and_cut": done_and_cut,
    "done_and_failed": done_and_failed,
    "token_ran_out": says(401, _JSON),
    "other_order": in_another_order,
    "keys_in_capitals": with_keys_in_capitals,
}


class FaultyLine(Line):
    """`faults` strike `rate` of the calls, tokens apart; each time one of them, by chance."""

    def __init__(self, upstream: str, *, keeps_host: bool = False) -> None:
        super().__init__(upstream, keeps_host=keeps_host)
        self.faults: tuple[Fault, ...] = ()
        self.rate = 0.0
        self.struck = 0
        self._dice = random.Random(7)

    def reply(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> LineAnswer | None:
        if self.is_for_token(method, body) or not self.faults or self._dice.random() >= self.rate:
            return super().reply(method, path, headers, body)
        self.struck += 1
        return self._dice.choice(self.faults)(lambda: self.pass_on(method, path, headers, body))
