"""Writing one claim's records: in one call, and in halves where a call comes to nothing as a whole.

A CRM that answers for each record needs one call. Where the whole call fails, halving tells three things apart: one bad
record (its half fails, the other does not), an outage (both fail) and a passing fault (neither fails).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
from billiard.exceptions import SoftTimeLimitExceeded

from connectors.kit import Record, WriteResult
from pipeline.errors import ConfigurationError, QuotaError, RecordError, TerminalError, TransientError, place_of

_FAILURES_OF_AN_OUTAGE = 3  # a call and both its halves, nothing answered in between
_REFUSALS_OF_A_WRONG_SETTING = 10  # records refused alone, one after the other: not the records are at fault
_SEVERAL = 3  # records, all refused for what may be a setting: time that a human looks, whosever fault it is

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
    calls = _Calls(records)
    is_granted = True
    while calls.waiting and calls.written.trouble is None and (is_granted or may_call()):
        is_granted = False
        part = calls.waiting.popleft()
        try:
            results = write(part)
        except SoftTimeLimitExceeded:
            raise
        except RecordError as error:
            calls.note_refusal(part, error)
        except Exception as error:  # noqa: BLE001 - what it is, is decided there; the rows tell the story
            calls.note_failure(part, error)
        else:
            calls.note_answer(part, results)
    calls.written.unsent = [record for part in calls.waiting for record in part]
    return calls.written


class _Calls:
    """What became of the calls for one claim, and which parts of it wait for one."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.written = Written()
        self.waiting = deque([list(records)])
        self._failures = 0  # in a row, nothing answered in between
        self._refusals = 0  # of records alone, none written in between
        self._has_answer = False

    def note_answer(self, part: list[Record], results: list[WriteResult]) -> None:
        self._failures, self._has_answer = 0, True
        if any(result.state == "written" for result in results):
            self._refusals = 0
        elif all(result.state == "rejected" and result.blames_setting for result in results):
            self._note_doubt(part, results)
            return
        self.written.results += results

    def _note_doubt(self, part: list[Record], results: list[WriteResult]) -> None:
        """Nothing was written, and it may be for a setting. A few are tried again, each try counted, so that they end
        in quarantine if it lies in them; several halt the destination too, and many wait there without a count."""
        first = results[0]
        if len(results) >= _SEVERAL:
            self.written.trouble = TerminalError(
                f"no record was accepted: {first.code} {first.field or ''}: {first.message}".strip()
            )
        if len(results) >= _REFUSALS_OF_A_WRONG_SETTING:
            self.waiting.appendleft(part)
        else:
            self.written.results += [replace(result, state="retry") for result in results]

    def note_refusal(self, part: list[Record], error: RecordError) -> None:
        """The CRM refused the call for what is in it."""
        self._failures, self._has_answer = 0, True
        if len(part) > 1:
            self.waiting.extendleft(reversed(_halves(part)))  # depth first: the culprit soon stands alone
            return
        self._refusals += 1
        self.written.results.append(
            WriteResult(part[0].key, "rejected", None, None, error.code, error.field, error.message)
        )
        if self._refusals == _REFUSALS_OF_A_WRONG_SETTING:
            self.written.trouble = TerminalError(
                f"refuses every record alone ({error.code}): check the mapping and the account's rights"
            )

    def note_failure(self, part: list[Record], error: Exception) -> None:
        """The call came to nothing, for a reason that may lie in a record or not."""
        self._failures += 1
        is_over = isinstance(error, QuotaError | TerminalError | ConfigurationError) or _is_outage(
            error, self._failures
        )
        if len(part) > 1 and not is_over:
            self.waiting.extend(_halves(part))  # breadth first: the other half tells a bad record from an outage
        elif self._has_answer and not is_over:
            self.written.results.append(_failed_alone(part[0], error))
        else:
            self.written.trouble = error
            self.waiting.appendleft(part)


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
