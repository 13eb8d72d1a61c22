"""Are calls counted, tokens renewed, quotas read, and credentials missed in words?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from connectors.kit.conformance.destinations.line import LineAnswer
from connectors.kit.conformance.destinations.workbenches import NotApplicable, Workbench, attempt, wrong_results
from connectors.kit.destinations.declarations import Secrets
from connectors.kit.errors import ConfigurationError, TerminalError, TransientError

_JSON = {"Content-Type": "application/json"}
_FAR_AWAY = "https://crm.example.com"  # no sandbox answers there, so none of its secrets are taken


def missing_secrets_are_a_sentence(bench: Workbench) -> list[str]:
    """Without its secrets a writer is not opened, or opens as somebody without any: no other exception comes out."""
    kind = bench.destination
    if not kind.secrets:
        raise NotApplicable("declares no secrets")
    address = _FAR_AWAY if "https" in kind.schemes else bench.connection.base_url
    without = replace(bench.connection, base_url=address, secrets=Secrets(bench.connection.name, {}))
    try:
        kind.connect(without).close()
    except ConfigurationError as error:
        if "secrets" not in str(error):
            return [f"what is said of missing secrets does not name them: {error}"]
    return []


def check_tells_whether_we_are_let_in(bench: Workbench) -> list[str]:
    """`check` is silent where all is well, and raises as `write` does."""
    with bench.writer() as writer:
        writer.check()
    if bench.line is None:
        return []
    problems = []
    for status, due in ((401, TerminalError), (403, TerminalError), (503, TransientError)):
        bench.line.answer = LineAnswer(status, _JSON, b"{}")
        with bench.writer() as writer:
            _, error = attempt(writer.check)
        if not isinstance(error, due):
            problems.append(
                f"check: {status} becomes {type(error).__name__ if error else 'silence'}; {due.__name__} is due"
            )
    return problems


def refused_token_is_renewed_once(bench: Workbench) -> list[str]:
    """A token that ran out is renewed and the call made again; where no token is good, that is the end of it."""
    line = bench.need_line()
    people = bench.people(2)
    problems = []
    with bench.writer() as writer:
        writer.write(people)
        can_renew = line.token_calls > 0
        line.refused_token = ""
        results, error = attempt(lambda: writer.write(people)) if can_renew else ([], None)
    if can_renew:
        if error is not None:
            problems.append(
                f"a token that ran out becomes {type(error).__name__}; due: a new token, and the call again"
            )
        else:
            problems += wrong_results(people, results, "written")
    line.be_well()
    with bench.writer() as writer:
        line.refuses_tokens = True
        _, error = attempt(lambda: writer.write(people))
    if not isinstance(error, TerminalError):
        problems.append(f"tokens that are all refused become {type(error).__name__ if error else 'results'}")
    if line.calls > 2 or line.token_calls > 2:
        problems.append(
            f"tokens that are all refused cost {line.calls} calls and {line.token_calls} tokens; due: 2 at most"
        )
    return problems


def usage_is_read_from_every_answer(bench: Workbench) -> list[str]:
    """What an answer says of the quota counts until the next one: of a success, of a refused call."""
    if bench.usage_headers is None:
        raise NotApplicable("its workbench knows no headers of a quota (usage_headers)")
    line = bench.need_line()
    people = bench.people(1)
    problems = []
    with bench.writer() as writer:
        for used, status in ((11, 200), (23, 200), (41, 429), (57, 503)):
            line.headers = bench.usage_headers(used, 1000)
            line.answer = None if status == 200 else LineAnswer(status, _JSON, b"{}")
            attempt(lambda: writer.write(people))
            if (writer.usage.used, writer.usage.limit) != (used, 1000):
                problems.append(f"after a {status} that says {used} of 1000, usage is {writer.usage}")
    return problems


def calls_stay_within_the_grant(bench: Workbench) -> list[str]:
    """A call is announced before it is made, or it is the one that a write stands for. A write makes as many as are
    declared: no call again by itself, no halves, whatever is answered."""
    line = bench.need_line()
    people = bench.people(6)
    with_refused = [*people, bench.refused_person()]
    faults: dict[str, dict[str, Any]] = {
        "all is well": {},
        "the answer is 400": {"answer": LineAnswer(400, _JSON, b"{}")},
        "the answer is 413": {"answer": LineAnswer(413, _JSON, b"{}")},
        "the answer is 429": {"answer": LineAnswer(429, _JSON, b"{}")},
        "the answer is 503": {"answer": LineAnswer(503, _JSON, b"{}")},
        "the connection is cut": {"hangs_up": True},
        "the answer cannot be read": {"answer": LineAnswer(200, _JSON, b"[")},
        "a record is refused": {},
    }
    most = bench.destination.calls_per_write
    problems = []
    for what, fault in faults.items():
        bench.be_well()
        for name, value in fault.items():
            setattr(line, name, value)
        with bench.writer() as writer:
            attempt(partial(writer.write, with_refused if what == "a record is refused" else people))
        if line.calls > most:
            problems.append(f"{what}: {line.calls} calls for a write; declared are {most} (calls_per_write)")
        if line.calls > max(bench.announced, 1):
            problems.append(f"{what}: {line.calls} calls, announced were {bench.announced} (before_call)")
    return problems
