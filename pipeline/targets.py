"""What is written at a destination: the records of people, and the other objects that its mapping names.

A target's name is that of its deliveries: the destination's for people, `crm/Account` for another object. All targets
of a destination share its account: one quota, one breaker.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.errors import ConfigurationError
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.declarations import COMPANY, PERSON, TOUCH
from pipeline.stages.destination_mapping.mapping import DestinationMapping
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


def destination_of(name: str) -> str:
    """The destination whose target has this name."""
    return name.partition(_SEPARATOR)[0]


def targets_of(destination: str) -> tuple[Target, ...]:
    """The targets of a destination of the settings, what others are linked to first. Raises ConfigurationError if its
    mapping never was readable."""
    mapping = _mapping(destination)
    needed = [_target(destination, other) for other in mapping.others if other.subject == COMPANY]
    later = [_target(destination, other) for other in mapping.others if other.subject != COMPANY]
    return (*needed, _target(destination, mapping), *later)


def mapping_of(target: Target) -> DestinationMapping:
    """The mapping of a target. Raises ConfigurationError, also where the mapping does not name its object any more."""
    mapping = _mapping(target.destination)
    for known in (mapping, *mapping.others):
        if known.subject == target.subject and (known.object == target.object or target.subject == PERSON):
            return known
    raise ConfigurationError(f"{target.name}: the mapping of {target.destination} does not name {target.object} now")


def touch_targets(destination: str) -> tuple[str, ...]:
    """Names of what touches become there."""
    return tuple(target.name for target in targets_of(destination) if target.subject == TOUCH)


def _target(destination: str, mapping: DestinationMapping) -> Target:
    return Target(destination, mapping.object, mapping.subject)


def _mapping(destination: str) -> DestinationMapping:
    return destination_mapping_in_force(settings().destinations[destination].mapping_name)
