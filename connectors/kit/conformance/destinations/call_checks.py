"""Are calls counted, tokens renewed, quotas read, and credentials missed in words?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from connectors.kit.conformance.destinations.line import Line, LineAnswer
from connectors.kit.conformance.destinations.workbenches import NotApplicable, Workbench, attempt, wrong_results
from connectors.kit.destinations.declarations import Secrets, Usage
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
        raise NotApplicable("says nothing of a day's quota in its answers")
    line = bench.need_line()
    people = bench.people(1)
    problems = []
    with bench.writer() as writer:
        for used, status in ((11, 200), (23, 200), (41, 429), (57, 503)):
            line.headers = bench.usage_headers(used, 1000)
            line.answer = None if status == 200 else LineAnswer(status, _JSON, b"{}")
            attempt(lambda: writer.write(people))
            if writer.usage != Usage(used, 1000):
                problems.append(f"after a {status} that says {used} of 1000, usage is {writer.usage}")
    return problems


def calls_stay_within_the_grant(bench: Workbench) -> list[str]:
    """A grant of the quota stands for one write: no call again by itself, no halves, whatever is answered."""
    line = bench.need_line()
    people = bench.people(6)
    problems = []

    def ordered(line: Line, **faults: object) -> None:
        line.be_well()
        for name, value in faults.items():
            setattr(line, name, value)

    faults: dict[str, Callable[[], None]] = {
        "all is well": lambda: ordered(line),
        "the answer is 400": lambda: ordered(line, answer=LineAnswer(400, _JSON, b"{}")),
        "the answer is 413": lambda: ordered(line, answer=LineAnswer(413, _JSON, b"{}")),
        "the answer is 429": lambda: ordered(line, answer=LineAnswer(429, _JSON, b"{}")),
        "the answer is 503": lambda: ordered(line, answer=LineAnswer(503, _JSON, b"{}")),
        "the connection is cut": lambda: ordered(line, hangs_up=True),
        "the answer cannot be read": lambda: ordered(line, answer=LineAnswer(200, _JSON, b"[")),
    }
    for what, order in faults.items():
        with bench.writer() as writer:
            order()
            attempt(lambda: writer.write(people))
        if line.calls > bench.calls_per_write:
            problems.append(f"{what}: {line.calls} calls for one grant; {bench.calls_per_write} at most")
    line.be_well()
    with bench.writer() as writer:
        attempt(lambda: writer.write([*people, bench.refused_person()]))
    if line.calls > bench.calls_per_write:
        problems.append(f"a record is refused: {line.calls} calls for one grant; {bench.calls_per_write} at most")
    return problems
