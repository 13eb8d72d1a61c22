"""The mapping of each destination against what its CRM says of itself: before the first write, after each change of the
mapping, and once a day. What is found is told and stops nothing; where records were refused for it, the destination
halts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from connectors.kit import Describes, Record
from pipeline.delivery.accounts import kind_of
from pipeline.delivery.halving import Written
from pipeline.delivery.inquiries import inquire, misfits_of
from pipeline.delivery.writers import OpenWriter
from pipeline.errors import AfluenteError, TerminalError, place_of
from pipeline.logs import get_logger
from pipeline.settings.loading import settings
from pipeline.stages.mappings_in_force import destination_mapping_in_force
from pipeline.store.deliveries.comparisons import note_comparison, read_comparisons
from pipeline.store.engine import transaction
from pipeline.targets import Target

_DAY_SECONDS = 86_400.0
_STOPS_ALL = ("missing", "not_writable", "no_key")  # what refuses a record, whatever its values are
_log = get_logger(__name__)


def compare_mappings() -> int:
    """Ask each enabled destination that was not asked for a day, or about a former mapping; gives how many were. What
    a CRM does raises nothing. Raises TransientError if the database is away."""
    with transaction(synchronous=False) as connection:
        known = read_comparisons(connection)
    count = 0
    for name, configured in sorted(settings().destinations.items()):
        former = known.get(name)
        is_fresh = (
            former is not None
            and former.age_seconds < _DAY_SECONDS
            and former.mapping_version == _version(configured.mapping_name)
        )
        if configured.enabled and not is_fresh:
            compare_mapping(name)
            count += 1
    return count


@cache
def compare_at_first(name: str) -> None:
    """Before the first write to a destination: ask it, unless it was asked ever. Once in a process."""
    configured = settings().destinations.get(name)
    if configured is None or not configured.enabled:
        return
    with transaction(synchronous=False) as connection:
        is_known = name in read_comparisons(connection)
    if not is_known:
        compare_mapping(name)


def compare_mapping(name: str) -> None:
    """Ask a destination which fields it has, and note what of its mapping does not fit; a CRM that cannot be asked, or
    describes nothing, is noted as that. Some calls, for which no quota is asked."""
    findings: list[str] = []
    fault = None
    try:
        with inquire(settings(), name) as inquiry:
            findings = [misfit.sentence for misfit in inquiry.misfits() or []]
    except AfluenteError as error:
        fault = str(error)
    except Exception as error:  # noqa: BLE001 - a bug in what describes: deliveries go on
        fault = place_of(error)
    version = _version(settings().destinations[name].mapping_name)
    with transaction() as connection:
        note_comparison(connection, name, version, findings=findings, fault=fault)
    if findings:
        remedy = f"`afluente mapping check --destination {name}` names each"
        _log.warning("mapping_does_not_fit", destination=name, findings=len(findings), remedy=remedy)


def _version(mapping_name: str) -> str:
    try:
        return destination_mapping_in_force(mapping_name).version
    except AfluenteError:
        return "unreadable"


def halt_if_the_mapping_is_wrong(
    target: Target, writer: OpenWriter, written: Written, records: Sequence[Record], *, may_call: Callable[[], bool]
) -> None:
    """Where records were put off for what may be a setting and the CRM says that the mapping does not fit it, the
    destination halts and no try is counted, as with many records. One call, or those that `describe` takes; a CRM that
    does not tell leaves all as it is."""
    doubtful = {result.key for result in written.results if result.state == "retry" and result.blames_setting}
    if not doubtful or written.trouble is not None or not isinstance(writer.writer, Describes) or not may_call():
        return
    kind = kind_of(target.destination, settings().destinations[target.destination])
    try:
        misfits = misfits_of(kind, writer.writer, writer.mapping)
    except AfluenteError:
        return
    wrong = next((misfit for misfit in misfits if misfit.code in _STOPS_ALL), None)
    if wrong is not None:
        written.trouble = TerminalError(f"the mapping does not fit the CRM: {wrong.sentence}")
        written.results = [result for result in written.results if result.key not in doubtful]
        written.unsent += [record for record in records if record.key in doubtful]
