"""What is written at a destination: the records of people, and the other objects that its mapping names.

A target's name is that of its deliveries: the destination's for people, `crm/Account` for another object. All targets
of a destination share its account: one quota, one breaker.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.errors import ConfigurationError
from pipeline.settings.consent_settings import needed_question
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.declarations import CONSENT, PERSON, TOUCH
from pipeline.stages.destination_mapping.mapping import DestinationMapping
from pipeline.stages.mapping.consents import consent_channel, consent_purpose
from pipeline.stages.mappings_in_force import destination_mapping_in_force

_SEPARATOR = "/"  # in no destination's name


class Target(NamedTuple):
    """`object`: the CRM's name of what is written; None: as the destination's options have it."""

    destination: str
    object: str | None = None
    subject: str = PERSON

    @property
    def name(self) -> str:
        return self.destination if self.subject == PERSON else f"{self.destination}{_SEPARATOR}{self.object}"


class ConsentTarget(NamedTuple):
    """What consents become at a destination. `is_linked`: each leads to the record of its person, so it waits for that
    one where the CRM has it not yet."""

    name: str
    is_linked: bool


def destination_of(name: str) -> str:
    """The destination whose target has this name."""
    return name.partition(_SEPARATOR)[0]


def targets_of(destination: str) -> tuple[Target, ...]:
    """The targets of a destination of the settings, what others are linked to first. Raises ConfigurationError if its
    mapping never was readable."""
    return targets_in(destination, _mapping(destination))


def targets_in(destination: str, mapping: DestinationMapping) -> tuple[Target, ...]:
    """Those that a mapping names, or the one that it is an object of: as it was read, whatever its file is now."""
    return tuple(Target(destination, known.object, known.subject) for known in mapping.objects)


def mapping_of(target: Target) -> DestinationMapping:
    """The mapping of a target. Raises ConfigurationError, also where the mapping does not name its object any more."""
    for known in _mapping(target.destination).objects:
        if known.subject == target.subject and (known.object == target.object or target.subject == PERSON):
            return known
    raise ConfigurationError(f"{target.name}: the mapping of {target.destination} does not name {target.object} now")


def is_named_now(target: str) -> bool:
    """Whether the mapping of its destination names a target. A mapping that nobody can read takes nothing away, nor
    does a destination that is not in the settings: what is due there says so itself."""
    destination = destination_of(target)
    if destination not in settings().destinations:
        return True
    try:
        return any(known.name == target for known in targets_of(destination))
    except ConfigurationError:
        return True


def touch_targets(destination: str) -> tuple[str, ...]:
    """Names of what touches become there."""
    return tuple(target.name for target in targets_of(destination) if target.subject == TOUCH)


def needed_consent(destination: str, brand: str) -> tuple[str, str] | None:
    """What people of a brand must have granted before they are sent there, (purpose, channel); None: nothing."""
    configured = settings().destinations.get(destination)
    needed = needed_question(configured.needs_consent, brand) if configured is not None else None
    return None if needed is None else (consent_purpose(needed[0]), consent_channel(needed[1]))


def is_gated(destination: str) -> bool:
    """Whether anybody must have granted anything before they are sent there."""
    configured = settings().destinations.get(destination)
    return configured is not None and configured.needs_consent is not None


def consents_at(destination: str) -> ConsentTarget | None:
    """What consents become there; None: they are no records of their own. Raises ConfigurationError as `targets_of`."""
    return consents_in(destination, _mapping(destination))


def consents_in(destination: str, mapping: DestinationMapping) -> ConsentTarget | None:
    """By this mapping of a destination, or by the one that it is an object of."""
    for known in mapping.objects:
        if known.subject == CONSENT:
            return ConsentTarget(Target(destination, known.object, CONSENT).name, bool(known.links))
    return None


def _mapping(destination: str) -> DestinationMapping:
    return destination_mapping_in_force(settings().destinations[destination].mapping_name)
