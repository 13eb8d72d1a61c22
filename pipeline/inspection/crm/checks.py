"""`afluente destination check`: one destination from its address to a record written, read back and deleted.

A wrong mapping is told before any record is written. The record is of an invented person and is deleted in any case;
nothing of it is kept with us.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from connectors.kit import Deletes, Reads, Record
from pipeline.delivery.inquiries import Inquiry, inquire
from pipeline.delivery.standing import how_access_is_mended
from pipeline.errors import (
    AfluenteError,
    ConfigurationError,
    QuotaError,
    RecordError,
    RefusedError,
    TerminalError,
    TransientError,
    UsageError,
    place_of,
)
from pipeline.health.checks import Check, failed, passed
from pipeline.inspection.crm.comparison import CHANGED, LOST, compare
from pipeline.inspection.crm.invented import invent_person
from pipeline.settings.loading import settings
from pipeline.values.yaml_files import mapping_file, shown

_TRIES = 3  # of a call that the CRM puts off
_ACCESS, _RIGHTS, _FIELDS, _LIMITS = "address and credentials", "rights", "fields", "limits"
_WRITE, _READ, _DELETE = "record written", "record read back", "record deleted"


def check_destination(
    name: str, *, writes: bool = True, on_check: Callable[[Check], None] = lambda _check: None
) -> list[Check]:
    """Each thing looked at, in order; it ends where the next one makes no sense. `on_check` is told of each at once.

    `writes` False: no record. Raises UsageError for a destination that there is not.
    """
    checks = _Checks(on_check)
    try:
        with inquire(settings(), name) as inquiry:
            if _check_access(inquiry, checks) and _check_fields(inquiry, checks):
                _check_limits(inquiry, checks)
                if writes:
                    _Trial(inquiry, checks).run()
    except ConfigurationError as error:
        checks.add(failed("settings", str(error), "correct it as the message says"))
    return checks.made


def mapping_problems(name: str) -> dict[str, list[str]]:
    """What of a destination's mapping does not fit its CRM, as sentences, by the mapping's path. Raises UsageError,
    ConfigurationError, and what the CRM and the network come to; RefusedError where this kind describes nothing."""
    with inquire(settings(), name) as inquiry:
        misfits = inquiry.misfits()
        if misfits is None:
            raise RefusedError(f"{name}: {inquiry.kind.title} does not tell which fields it has")
        return {file_of(inquiry): [misfit.sentence for misfit in misfits]}


def file_of(inquiry: Inquiry) -> str:
    """The mapping's file, as people see it."""
    return shown(mapping_file(f"destinations/{inquiry.mapping.destination}.yaml"))


class _Checks:
    def __init__(self, on_check: Callable[[Check], None]) -> None:
        self.made: list[Check] = []
        self._on_check = on_check

    def add(self, check: Check) -> bool:
        """Whether it went well."""
        self.made.append(check)
        self._on_check(check)
        return check.ok


def _check_access(inquiry: Inquiry, checks: _Checks) -> bool:
    try:
        inquiry.writer.check()
    except Exception as error:  # noqa: BLE001 - whatever a connector raises is the answer
        return checks.add(failed(_ACCESS, told(error), remedy_of(error, inquiry.name)))
    return checks.add(passed(_ACCESS, f"{inquiry.kind.title} lets us in"))


def _check_fields(inquiry: Inquiry, checks: _Checks) -> bool:
    try:
        misfits = inquiry.misfits()
    except Exception as error:  # noqa: BLE001 - as above
        remedy = "give the account the right to read which fields there are"
        return checks.add(
            failed(_RIGHTS, told(error), remedy if isinstance(error, TerminalError) else remedy_of(error, inquiry.name))
        )
    objects = (inquiry.mapping, *inquiry.mapping.others)
    count = sum(len(mapping.declaration.fields) for mapping in objects)
    if misfits is None:
        return checks.add(passed(_FIELDS, "this kind of CRM does not tell which fields it has"))
    closed = sum(misfit.code == "not_writable" for misfit in misfits)
    if closed == count:
        return checks.add(
            failed(_RIGHTS, "none of the mapping's fields may be written", "give the account the right to write them")
        )
    checks.add(passed(_RIGHTS, f"the fields are told, and {count - closed} of {count} are ours to write"))
    for misfit in misfits:
        checks.add(failed(_FIELDS, f"{file_of(inquiry)}: {misfit.what}", misfit.remedy))
    if not misfits:
        of = "" if len(objects) == 1 else f" of {len(objects)} objects"
        checks.add(passed(_FIELDS, f"all {count}{of} of {file_of(inquiry)} fit"))
    return not misfits


def _check_limits(inquiry: Inquiry, checks: _Checks) -> None:
    configured = settings().destinations[inquiry.name]
    rate = configured.calls_per_second or inquiry.kind.calls_per_second
    size = min(configured.batch_size or inquiry.kind.batch_size, inquiry.kind.batch_size)
    ours = f"we make {rate:g} calls a second at most, of up to {size} records"
    usage = inquiry.writer.usage
    if usage.limit is None:
        checks.add(passed(_LIMITS, f"{ours}; the CRM says nothing of a day's calls"))
        return
    detail = f"{usage.used} of {usage.limit} calls of the day are used; {ours}"
    is_left = usage.used is None or usage.used < usage.limit
    checks.add(Check(_LIMITS, is_left, detail, "" if is_left else "wait for the next day, or have the limit raised"))


class _Trial:
    """One record, written, read back and deleted."""

    def __init__(self, inquiry: Inquiry, checks: _Checks) -> None:
        self._inquiry = inquiry
        self._checks = checks
        self._kinds = {rule.name: rule.kind for rule in inquiry.mapping.declaration.fields}
        self._crm_id: str | None = None

    def run(self) -> None:
        person_id = uuid4()
        try:
            fields = invent_person(self._inquiry.mapping, person_id).fields
        except RecordError as error:
            remedy = "give the field a default, or send a lead of your own"
            self._checks.add(failed(_WRITE, f"no person can be made up for this mapping: {error.message}", remedy))
            return
        record = Record(str(person_id), fields)
        try:
            if self._write(record):
                self._read(record)
        finally:
            self._delete(record)

    def _write(self, record: Record) -> bool:
        try:
            for _ in range(_TRIES):
                (result,) = self._inquiry.writer.write([record])
                if result.state != "retry":
                    break
        except Exception as error:  # noqa: BLE001 - as above
            return self._checks.add(failed(_WRITE, told(error), remedy_of(error, self._inquiry.name)))
        self._crm_id = result.crm_id
        if result.state == "written":
            rest = "; companies and touches are not tried" if self._inquiry.mapping.others else ""
            return self._checks.add(passed(_WRITE, f"{len(record.fields)} fields, as {result.crm_id}{rest}"))
        reason = ", ".join(part for part in (result.code, result.field, result.message) if part)
        remedy = "run this again later" if result.state == "retry" else "correct the mapping, or the CRM's rules"
        return self._checks.add(failed(_WRITE, f"the CRM did not take it: {reason}", remedy))

    def _read(self, record: Record) -> None:
        writer = self._inquiry.writer
        if not isinstance(writer, Reads):
            self._checks.add(passed(_READ, "this kind of CRM cannot be read"))
            return
        try:
            found = writer.read([record.key]).get(record.key)
        except Exception as error:  # noqa: BLE001 - as above
            self._checks.add(failed(_READ, told(error), "give the account the right to read what it writes"))
            return
        if found is None:
            remedy = "is a rule of the CRM at work that deletes or moves it, or may we not see it?"
            self._checks.add(failed(_READ, "it is not there under our id", remedy))
            return
        self._crm_id = found.crm_id
        self._checks.add(self._compared(record, found.fields))

    def _compared(self, record: Record, found: dict[str, Any]) -> Check:
        came = {
            name: compare(self._kinds.get(name, "text"), sent, found[name])
            for name, sent in record.fields.items()
            if name in found
        }
        changed = [f"{name} {record.fields[name]!r} is {found[name]!r}" for name in came if came[name] == CHANGED]
        lost = [name for name in came if came[name] == LOST]
        same = sum(word not in (CHANGED, LOST) for word in came.values())
        detail = f"{same} of {len(record.fields)} fields as they were sent"
        detail += f"; changed by the CRM: {', '.join(changed)}" if changed else ""
        unread = [name for name in record.fields if name not in came]
        detail += f"; not told: {', '.join(unread)}" if unread else ""
        if lost:
            remedy = "is a rule of the CRM at work, or may we not read or write them?"
            return failed(_READ, f"{detail}; empty there: {', '.join(lost)}", remedy)
        return passed(_READ, detail)

    def _delete(self, record: Record) -> None:
        writer, known_as = self._inquiry.writer, self._crm_id or record.key
        if not isinstance(writer, Deletes):
            self._checks.add(passed(_DELETE, f"this kind of CRM cannot delete: {known_as} is left, delete it by hand"))
            return
        reason = ""
        for _ in range(_TRIES):
            try:
                (result,) = writer.delete([Record(record.key, record.fields, crm_id=self._crm_id)])
            except (TransientError, QuotaError) as error:
                reason = told(error)
                continue
            except Exception as error:  # noqa: BLE001 - as above
                reason = told(error)
                break
            if result.state == "written":
                self._checks.add(passed(_DELETE, "nothing of it is left" if not result.code else "it was not there"))
                return
            reason = ", ".join(part for part in (result.code, result.message) if part)
        self._checks.add(failed(_DELETE, reason, f"delete {known_as} in the CRM by hand; give us the right to"))


def told(error: Exception) -> str:
    """What an error says; of a bug only where it is."""
    return str(error) if isinstance(error, AfluenteError) else f"bug: {place_of(error)}"


def remedy_of(error: Exception, name: str) -> str:
    if isinstance(error, UsageError | ConfigurationError):
        return "correct it as the message says"
    if isinstance(error, TerminalError):
        return how_access_is_mended(name, settings().destinations[name])
    if isinstance(error, QuotaError):
        return "run this again when the quota is there again"
    if isinstance(error, RecordError):
        return "correct the mapping, or the CRM's rules"
    if isinstance(error, TransientError):
        return f"is destinations.{name}.base_url right and reachable?"
    return "report it to the owner of the connector"
