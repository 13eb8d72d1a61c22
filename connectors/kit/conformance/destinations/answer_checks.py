"""Is every answer taken for what it is: shuffled, short, unreadable, lost, late, a failure of the CRM's or of ours?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from connectors.kit.conformance.destinations.line import LineAnswer
from connectors.kit.conformance.destinations.spoiling import emptied, shortened, shuffled, without_ids
from connectors.kit.conformance.destinations.workbenches import (
    NotApplicable,
    Workbench,
    attempt,
    ids_of_others,
    not_alone,
    wrong_results,
)
from connectors.kit.destinations.declarations import Record
from connectors.kit.errors import AfluenteError, QuotaError, RecordError, TerminalError, TransientError

_HTML = {"Content-Type": "text/html"}
_JSON = {"Content-Type": "application/json"}
_PAGE = b"<html><body><h1>We will be back soon</h1></body></html>"
_WAIT = 7  # seconds
_PASSING = (408, 500, 502, 503, 504)
_STOPPING = (401, 403, 405, 410)
_OF_CONTENT = (400, 413)


def shuffled_answer_keeps_results_apart(bench: Workbench) -> list[str]:
    """Results go by what they name, not by their place."""
    line = bench.need_line()
    people = bench.people(5)
    heard: list[bytes] = []

    def spoil(answer: LineAnswer) -> LineAnswer:
        heard.append(answer.body)
        return shuffled(answer)

    with bench.writer() as writer:
        line.spoil = spoil
        results, error = attempt(lambda: writer.write(people))
    if not any(record.key.encode() in body for record in people for body in heard):
        raise NotApplicable("its answers carry no key of ours: the order is all that tells results apart")
    if error is not None:
        return _unless_passing(error, "a shuffled answer")
    return wrong_results(people, results, "written", "retry") or ids_of_others(people, results, bench)


def short_answer_leaves_nobody_out(bench: Workbench) -> list[str]:
    """Of whom the answer says nothing, nothing is known: again, later. Also where it says nothing of anybody."""
    line = bench.need_line()
    problems = []
    for spoil, what in ((shortened, "an answer without its last result"), (emptied, "an answer without results")):
        people = bench.people(4)
        with bench.writer() as writer:
            line.spoil = spoil
            results, error = attempt(lambda: writer.write(people))  # noqa: B023 - called at once
        if error is not None:
            problems += _unless_passing(error, what)
            continue
        wrong = wrong_results(people, results, "written", "retry")
        written = sum(result.state == "written" for result in results)
        if written > (3 if spoil is shortened else 0):
            wrong.append("more records are claimed to be written than the answer says")
        problems += [f"{what}: {problem}" for problem in wrong or ids_of_others(people, results, bench)]
    return problems


def answer_without_ids_is_not_taken_for_success(bench: Workbench) -> list[str]:
    """A success without the id that the CRM always gives is not believed."""
    line = bench.need_line()
    people = bench.people(2)
    with bench.writer() as writer:
        known = [str(result.crm_id) for result in writer.write(people)]
        line.spoil = without_ids(known)
        results, error = attempt(lambda: writer.write(people))
    if error is not None:
        return _unless_passing(error, "an answer without ids")
    if any(result.state == "written" and not result.crm_id for result in results):
        return ["a record is claimed to be written without the CRM's id"]
    return wrong_results(people, results, "written", "retry") or ids_of_others(people, results, bench)


def unreadable_answer_is_not_taken_for_success(bench: Workbench) -> list[str]:
    """A 2xx with a page, with half of an answer, or with JSON of another shape, is no success."""
    line = bench.need_line()
    answers = {
        "a page": LineAnswer(200, _HTML, _PAGE),
        "half an answer": LineAnswer(200, _JSON, b'{"results": [{"id'),
        "an empty list": LineAnswer(200, _JSON, b"[]"),
        "an empty object": LineAnswer(200, _JSON, b"{}"),
        "null": LineAnswer(200, _JSON, b"null"),
        "results that are null": LineAnswer(200, _JSON, b'{"results": [null, null]}'),
        "a list of nulls": LineAnswer(200, _JSON, b"[null, null]"),
        "no body": LineAnswer(200, _JSON),
        "204": LineAnswer(204),
        "207 with a page": LineAnswer(207, _HTML, _PAGE),
    }
    problems = []
    people = bench.people(2)
    for what, answer in answers.items():
        line.answer = answer
        with bench.writer() as writer:
            problems += _not_done(what, people, writer)
    return problems


def lost_answer_makes_no_second_record(bench: Workbench) -> list[str]:
    """Done, and the answer lost: the same call again ends with one record each."""
    people = bench.people(3)
    if bench.line is None and bench.lose_answers is None:
        raise NotApplicable("its workbench can lose no answer (lose_answers)")
    with bench.writer() as writer:
        if bench.line is not None:
            bench.line.loses_answers = True
        elif bench.lose_answers is not None:
            bench.lose_answers()
        _, error = attempt(lambda: writer.write(people))
        problems = _unless_passing(error, "an answer that was lost")
        bench.be_well()
        results = writer.write(people)
    problems += wrong_results(people, results, "written")
    return problems + not_alone(people, bench)


def silence_is_told_apart_from_refusal(bench: Workbench) -> list[str]:
    """Nobody there, a connection cut, an answer that comes too late: all of it may pass."""
    line = bench.need_line()
    people = bench.people(1)
    with bench.writer() as writer:
        line.hangs_up = True
        problems = _unless_passing(attempt(lambda: writer.write(people))[1], "a connection that is cut")
        line.be_well()
    with bench.writer(timeout_seconds=0.15) as writer:
        line.waits_seconds = 0.6
        problems += _unless_passing(attempt(lambda: writer.write(people))[1], "an answer that comes too late")
        line.be_well()
    return problems


def each_status_becomes_its_error(bench: Workbench) -> list[str]:
    """What passes by itself is tried again, what does not stops, what is in the records is looked for in them."""
    line = bench.need_line()
    people = bench.people(2)
    problems = []
    due: dict[int, tuple[type[AfluenteError], ...]] = dict.fromkeys(_PASSING, (TransientError,))
    due |= dict.fromkeys(_STOPPING, (TerminalError,))
    due |= dict.fromkeys(_OF_CONTENT, (RecordError, TerminalError))
    due |= {429: (QuotaError,), 404: (TerminalError, RecordError), 409: (TransientError, RecordError, TerminalError)}
    for status, kinds in due.items():
        for body, headers in ((_PAGE, _HTML), (b"{}", _JSON)):
            line.answer = LineAnswer(status, headers, body)
            with bench.writer() as writer:
                results, error = attempt(lambda: writer.write(people))
            if error is None and kinds[0] is RecordError and {result.state for result in results} == {"rejected"}:
                continue
            if not isinstance(error, kinds):
                names = " or ".join(kind.__name__ for kind in kinds)
                problems.append(f"{status} becomes {type(error).__name__ if error else 'results'}; due: {names}")
    return list(dict.fromkeys(problems))


def retry_after_is_kept(bench: Workbench) -> list[str]:
    """Seconds or a date, with 429 and with 503: the wait asked for is passed on. Without one there is still a wait."""
    line = bench.need_line()
    people = bench.people(1)
    now = datetime.now(UTC)
    dated = {"Date": format_datetime(now, usegmt=True)}
    until = format_datetime(now + timedelta(seconds=_WAIT), usegmt=True)
    problems = []
    for status, headers, what in (
        (429, {"Retry-After": str(_WAIT)}, "429 with seconds"),
        (429, {"Retry-After": until, **dated}, "429 with a date"),
        (503, {"Retry-After": str(_WAIT)}, "503 with seconds"),
        (429, {}, "429 alone"),
    ):
        line.answer = LineAnswer(status, {**_JSON, **headers}, b"{}")
        with bench.writer() as writer:
            _, error = attempt(lambda: writer.write(people))
        wait = getattr(error, "retry_after", None)
        if wait is None or wait <= 0 or (headers and not _WAIT - 3 <= wait <= _WAIT):
            asked = f"{_WAIT} s were asked for" if headers else "some wait is due"
            problems.append(f"{what}: waits {wait} s; {asked}")
    return problems


def _not_done(what: str, people: Sequence[Record], writer: object) -> list[str]:
    results, error = attempt(lambda: writer.write(people))  # type: ignore[attr-defined]
    if error is not None:
        return _unless_passing(error, what)
    return [f"{what}: {problem}" for problem in wrong_results(people, results, "retry")]


def _unless_passing(error: AfluenteError | None, what: str) -> list[str]:
    if error is None:
        return [f"{what} is taken for success; due: TransientError"]
    if isinstance(error, TransientError | QuotaError):
        return []
    return [f"{what} becomes {type(error).__name__}; due: TransientError, for all may be well the next time"]
