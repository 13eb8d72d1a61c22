"""Checks of opt-outs that are read from CRMs: are they read in time, and would our own writes undo one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.canonical import CONSENT
from pipeline.errors import AfluenteError
from pipeline.health.checks import Check, asked, failed, passed
from pipeline.settings.declarations import DestinationSettings
from pipeline.settings.loading import Settings
from pipeline.stages.destination_mapping.declarations import ALWAYS
from pipeline.stages.mappings_in_force import destination_mapping_in_force
from pipeline.store.deliveries.crm_consents import ReadState, read_states

_LATE_ROUNDS = 3
_LATE_SECONDS = 900.0
States = Mapping[tuple[str, str], ReadState]


def check_crm_consents(known: Settings) -> Iterator[Check]:
    """One for each destination that names such fields; left out while the database is away."""
    reading = {
        name: configured
        for name, configured in known.destinations.items()
        if configured.enabled and configured.reads_consent
    }
    states = asked(read_states) if reading else None
    if states is None:
        return
    for name, configured in sorted(reading.items()):
        yield _check(name, configured, states)


def late_objects(name: str, configured: DestinationSettings, states: States) -> list[ReadState]:
    """Objects of a destination that were not read for three rounds, and a quarter of an hour at least."""
    bound = max(_LATE_ROUNDS * configured.reads_consent_seconds, _LATE_SECONDS)
    found = [states[name, object_name] for object_name in configured.reads_consent if (name, object_name) in states]
    return [state for state in found if state.silent_seconds > bound]


def find_late_opt_outs(known: Settings, states: States) -> list[str]:
    """Readings that are late, as sentences."""
    return [
        f"{name}: what people took back in {state.object} was read last {state.silent_seconds / 60:.0f} minutes ago;"
        " `afluente doctor` says why"
        for name, configured in sorted(known.destinations.items())
        if configured.enabled
        for state in late_objects(name, configured, states)
    ]


def _check(name: str, configured: DestinationSettings, states: States) -> Check:
    label = f"opt-outs of {name}"
    found = [states[name, object_name] for object_name in configured.reads_consent if (name, object_name) in states]
    wrong = next((state for state in found if state.last_error is not None), None)
    late = late_objects(name, configured, states)
    if late:
        minutes = max(state.silent_seconds for state in late) / 60
        reason = f": {wrong.last_error}" if wrong is not None else ""
        detail = f"{', '.join(state.object for state in late)} was read last {minutes:.0f} minutes ago{reason}"
        return failed(label, detail, "whoever opts out there is written to meanwhile: do workers run?")
    if wrong is not None:
        return failed(label, f"{wrong.object}: {wrong.last_error}", "mend it; it is tried again by itself")
    if overwritten := _overwritten(configured):
        detail = f"the mapping writes {', '.join(overwritten)} with each change: it would undo an opt-out not read yet"
        return failed(label, detail, f"say `write: once` of it in mappings/destinations/{configured.mapping_name}.yaml")
    unread = len(configured.reads_consent) - len(found)
    return passed(label, "is to be read" if unread else f"{', '.join(configured.reads_consent)} read in time")


def _overwritten(configured: DestinationSettings) -> list[str]:
    """Fields that are read and that each update of a person writes."""
    try:
        mapping = destination_mapping_in_force(configured.mapping_name)
    except AfluenteError:
        return []  # a check of its own says so
    read = {name for entry in configured.reads_consent.values() for name in entry.fields}
    return [
        rule.name
        for rule in mapping.declaration.fields
        if rule.name in read and rule.write == ALWAYS and any(source.startswith(CONSENT) for source in rule.sources)
    ]
