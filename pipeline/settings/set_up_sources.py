"""Sources as they are set up here: which connector and which mapping read them, and what their options make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from connectors.kit import Connector
from connectors.kit.problems import placed, problem_of_type
from connectors.kit.registry import sources
from connectors.kit.sources.collected.kinds import Collected
from connectors.kit.sources.configured.options import WrongOptionsError
from pipeline.errors import ConfigurationError
from pipeline.settings.declarations import SourceSettings
from pipeline.settings.loading import Settings
from pipeline.settings.type_checks import problems_of_type, type_info
from pipeline.values.nearest import unknown_name

_made: dict[tuple[str, bytes], tuple[Connector, Connector]] = {}  # by slug and settings: what it was made of, and it


def connector_name(known: Settings, slug: str) -> str:
    """The declared connector of a source."""
    return known.source(slug).connector or slug


def mapping_name(known: Settings, slug: str, connectors: Mapping[str, Connector] | None = None) -> str:
    """The file of `mappings/sources` that a source's records are read by, without the ending.

    A source that afluente.yaml describes by itself has one of its own name, unless another is set.
    """
    entry = known.source(slug)
    if entry.mapping is not None:
        return entry.mapping
    declared = (sources() if connectors is None else connectors).get(connector_name(known, slug))
    return slug if declared is not None and declared.configured_by is not None else connector_name(known, slug)


def set_up_source(known: Settings, slug: str, connectors: Mapping[str, Connector] | None = None) -> Connector | None:
    """The declaration of a source with what afluente.yaml says of it; None if there is no such connector.

    Its `source` is the name of the mapping that reads it. Raises ConfigurationError for wrong options: place, value,
    what is allowed.
    """
    connectors = sources() if connectors is None else connectors
    declared = connectors.get(connector_name(known, slug))
    entry = known.source(slug)
    if declared is None or slug not in known.sources:
        return declared
    is_collected = isinstance(declared.intake, Collected)
    if declared.configured_by is None and entry.mapping is None and not is_collected:
        return declared
    key = (slug, msgspec.json.encode(entry))
    of, made = _made.get(key, (None, None))
    if made is None or of is not declared:
        made = replace(_made_of(declared, slug, entry), source=mapping_name(known, slug, connectors))
        _made[key] = declared, made
    return made


def set_up_sources(known: Settings, connectors: Mapping[str, Connector] | None = None) -> dict[str, Connector]:
    """Every declared source and every one of afluente.yaml, by name. Those that are wrong are left out."""
    connectors = sources() if connectors is None else connectors
    found: dict[str, Connector] = {}
    for slug in sorted({*connectors, *known.sources}):
        try:
            connector = set_up_source(known, slug, connectors)
        except ConfigurationError:
            continue  # whoever uses it is told
        if connector is not None:
            found[slug] = connector
    return found


def why_broken(known: Settings, slug: str, connectors: Mapping[str, Connector] | None = None) -> str | None:
    """What is wrong with a source's options; None: nothing."""
    try:
        set_up_source(known, slug, connectors)
    except ConfigurationError as error:
        return str(error)
    return None


def _made_of(declared: Connector, slug: str, entry: SourceSettings) -> Connector:
    if isinstance(declared.intake, Collected):
        allowed = {*declared.intake.option_names, *declared.settings}
        for name in entry.options:
            if name not in allowed:
                raise ConfigurationError(f"sources.{slug}.options.{name}: {unknown_name(name, allowed)}")
        return replace(declared, intake=declared.intake.set_up(slug, entry))
    kind = declared.configured_by
    if kind is None or (not entry.options and slug == declared.source):
        return declared
    place = f"sources.{slug}.options"
    problems = list(problems_of_type(entry.options, type_info(kind), place))
    if problems:
        raise ConfigurationError("; ".join(f"{where}: {what}" for where, what in problems))
    try:
        return msgspec.convert(entry.options, kind).connector(declared, slug)
    except WrongOptionsError as error:
        raise ConfigurationError("; ".join(placed(place, problem) for problem in error.problems)) from error
    except msgspec.ValidationError as error:
        raise ConfigurationError(problem_of_type(place, error)) from error
