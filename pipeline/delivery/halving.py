"""Writing one claim's records: in one call, and in halves where a call comes to nothing as a whole.

A CRM that answers for each record needs one call. Where the whole call fails, halving tells three things apart: one bad
record (its half fails, the other does not), an outage (both fail) and a passing fault (neither fails).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
from billiard.exceptions import SoftTimeLimitExceeded

from connectors.kit import Record, WriteResult
from pipeline.errors import ConfigurationError, QuotaError, RecordError, TerminalError, TransientError, place_of

_FAILURES_OF_AN_OUTAGE = 3  # a call and both its halves, nothing answered in between
_REFUSALS_OF_A_WRONG_SETTING = 10  # records refused alone, one after the other: not the records are at fault

Write = Callable[[list[Record]], list[WriteResult]]


class Written(msgspec.Struct):
    """What became of the records: a result each, or among `unsent`, with the `trouble` that stopped the calls."""

    results: list[WriteResult] = []
    unsent: list[Record] = []
    trouble: Exception | None = None


def write_in_halves(records: Sequence[Record], write: Write, *, may_call: Callable[[], bool]) -> Written:
    """Write `records`; the first call has been granted, each further one asks `may_call`.

    Never raises what a call raises (TransientError, QuotaError, TerminalError, a bug), except the soft time limit.
    """
    written = Written()
    waiting = deque([list(records)])
    failures = refusals = 0
    has_answer = False
    is_granted = True
    while waiting:
        part = waiting.popleft()
        if not (is_granted or may_call()):
            waiting.appendleft(part)
            break
        is_granted = False
        try:
            results = write(part)
        except SoftTimeLimitExceeded:
            raise
        except RecordError as error:
            failures, has_answer = 0, True
            if len(part) > 1:
                waiting.extendleft(reversed(_halves(part)))  # depth first: the culprit soon stands alone
                continue
            refusals += 1
            results = [WriteResult(part[0].key, "rejected", None, None, error.code, error.field, error.message)]
            if refusals == _REFUSALS_OF_A_WRONG_SETTING:
                written.results += results
                written.trouble = TerminalError(
                    f"refuses every record alone ({error.code}): check the mapping and the account's rights"
                )
                break
        except Exception as error:  # noqa: BLE001 - what it is, is decided below; the rows tell the story
            failures += 1
            if isinstance(error, QuotaError | TerminalError | ConfigurationError) or _is_outage(error, failures):
                written.trouble = error
                waiting.appendleft(part)
                break
            if len(part) > 1:
                waiting.extend(_halves(part))  # breadth first: the other half tells a bad record from an outage
                continue
            if not has_answer:
                written.trouble = error
                waiting.appendleft(part)
                break
            results = [_failed_alone(part[0], error)]
        else:
            failures, has_answer = 0, True
            if any(result.state == "written" for result in results):
                refusals = 0
        written.results += results
    written.unsent = [record for part in waiting for record in part]
    return written


def _is_outage(error: Exception, failures: int) -> bool:
    """A CRM that names a time to come back is not asked again before it; one that fails in both halves is down."""
    return failures >= _FAILURES_OF_AN_OUTAGE or (isinstance(error, TransientError) and error.retry_after is not None)


def _halves(part: list[Record]) -> list[list[Record]]:
    # Shuffled, so that two bad records that meet again fall into the same half sooner or later.
    shuffled = random.sample(part, len(part))
    middle = len(shuffled) // 2
    return [shuffled[:middle], shuffled[middle:]]


def _failed_alone(record: Record, error: Exception) -> WriteResult:
    """The CRM answers for others and not for this one: that counts as an attempt."""
    if isinstance(error, TransientError):
        return WriteResult(record.key, "retry", code="call_failed_alone", message=str(error))
    return WriteResult(record.key, "retry", code="bug", message=place_of(error))
