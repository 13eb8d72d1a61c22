"""One or two records refused for what may be a setting: the CRM is asked whether the mapping fits it, before each is
tried again in vain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.kit import Describes, Record
from pipeline.delivery.accounts import kind_of
from pipeline.delivery.halving import Written
from pipeline.delivery.inquiries import misfits_of
from pipeline.delivery.writers import OpenWriter
from pipeline.errors import AfluenteError, TerminalError
from pipeline.settings.loading import settings
from pipeline.targets import Target

_STOPS_ALL = ("missing", "not_writable", "no_key")  # what refuses a record, whatever its values are


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
