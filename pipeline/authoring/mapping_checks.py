"""Are the mapping files sound: of sources and destinations, and the rules of identity and survivorship."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from connectors.kit.conformance.mapping_checks import (
    every_field_is_decided,
    every_mapped_path_occurs,
    mapping_is_sound,
)
from connectors.kit.registry import destination_types, sources
from connectors.kit.sources.declarations import Connector
from pipeline.authoring.conformance_cases import make_case
from pipeline.canonical import CUSTOM
from pipeline.delivery.accounts import kind_of
from pipeline.delivery.writers import check_object
from pipeline.errors import ConfigurationError
from pipeline.identity.matching.name_agreement import nicknames
from pipeline.identity.matching.rules import read_rules
from pipeline.settings.loading import settings
from pipeline.settings.set_up_sources import set_up_sources
from pipeline.stages.destination_mapping.mapping import DESTINATION_MAPPINGS, DestinationMapping
from pipeline.stages.destination_mapping.names import ConsentName
from pipeline.stages.mapping.source_mapping import load_source_mapping
from pipeline.stages.survivorship.rules import read_survivorship
from pipeline.stages.validation.rules import read_rules as read_validation
from pipeline.values.nearest import unknown_name
from pipeline.values.vocabularies import vocabulary
from pipeline.values.yaml_files import mapping_file, mapping_files, shown


def check_mappings() -> dict[str, list[str]]:
    """What is to settle of every mapping there is, as sentences, by path below the root."""
    described = {connector.source: connector for connector in set_up_sources(settings()).values()}
    problems = {path: _check_source(path, described) for path in mapping_files("sources")}
    said = _said_by_sources()
    problems |= {path: _check_destination(path, said) for path in mapping_files("destinations")}
    rules: dict[Path, Callable[[Path], object]] = {
        mapping_file("identity.yaml"): read_rules,
        mapping_file("survivorship.yaml"): read_survivorship,
        mapping_file("validation.yaml"): read_validation,
        mapping_file("vocabularies/nicknames.yaml"): lambda _: nicknames(),
    }
    problems |= {path: _check_reading(path, read) for path, read in rules.items()}
    return {shown(path): sentences for path, sentences in problems.items()}


def _check_source(path: Path, described: Mapping[str, Connector]) -> list[str]:
    connector = sources().get(path.stem) or described.get(path.stem)
    if connector is None:
        return [f"no source goes by this name: write connectors/sources/{path.stem}.py, or delete the mapping"]
    try:
        case = make_case(connector)
        if path.stem not in sources() and not case.samples:  # afluente.yaml describes it: samples are welcome, not due
            return mapping_is_sound(case)
        return mapping_is_sound(case) or [*every_field_is_decided(case), *every_mapped_path_occurs(case)]
    except ConfigurationError as error:  # of the rules that its samples go by, which have a line of their own
        return [str(error)]


@dataclass
class _Said:
    """What the mappings of all sources say that destinations may name: custom fields, and words about consent."""

    custom: set[str] = field(default_factory=set)
    purposes: set[str] = field(default_factory=lambda: set(vocabulary("consent_purposes")))
    channels: set[str] = field(default_factory=lambda: set(vocabulary("consent_channels")))


def _said_by_sources() -> _Said:
    said = _Said()
    for path in mapping_files("sources"):
        try:
            declaration = load_source_mapping(path.stem).declaration
        except ConfigurationError:  # told of the source itself
            continue
        said.custom |= {rule.name for rule in declaration.fields if rule.name.startswith(CUSTOM)}
        said.purposes |= {rule.purpose for rule in declaration.consents}
        said.channels |= {rule.channel for rule in declaration.consents}
    return said


def _check_destination(path: Path, said: _Said) -> list[str]:
    trouble = DESTINATION_MAPPINGS.trouble(path.stem)  # as the file is now, whatever version is in force
    if trouble is not None:
        return [trouble]
    mapping = DESTINATION_MAPPINGS.get(path.stem)
    sources = {name: rule.name for rule in mapping.declaration.fields for name in rule.sources}
    problems = _refused_objects(mapping)
    problems += [f"fields.{sources[name]}.from: {problem}" for name, problem in _unsaid(mapping.named.consents, said)]
    problems += [
        f"fields.{rule}.from: {unknown_name(name, said.custom) if said.custom else repr(name) + ' is not known'}; name"
        f" it under `custom` in the mapping of a source: {{{name.removeprefix(CUSTOM)}: a.path}}"
        for name, rule in sources.items()
        if name.startswith(CUSTOM) and name not in said.custom
    ]
    return problems


def _refused_objects(mapping: DestinationMapping) -> list[str]:
    """What of `objects` the kinds of CRM that it is for do not take: those of afluente.yaml, else the one of its
    name."""
    try:
        kinds = [
            kind_of(name, configured)
            for name, configured in settings().destinations.items()
            if configured.mapping_name == mapping.destination
        ]
    except ConfigurationError:  # `doctor` tells of settings
        return []
    kinds = kinds or [kind for name, kind in destination_types().items() if name == mapping.destination]
    problems: dict[str, None] = {}
    for kind in kinds:
        for described in (mapping, *mapping.others):
            try:
                if described.object is not None:
                    check_object(kind, described)
            except ConfigurationError as error:
                problems[str(error).partition(": ")[2]] = None  # its path stands above
    return list(problems)


def _unsaid(names: Iterable[ConsentName], said: _Said) -> Iterator[tuple[str, str]]:
    """Words about consent that nobody says and that look like one that somebody does. Others may come with leads."""
    for name in names:
        for kind, word, known in (("purpose", name.purpose, said.purposes), ("channel", name.channel, said.channels)):
            close = get_close_matches(word, known, 1, 0.75) if word not in known else []
            if close:
                yield name.name, f"{word!r} is no {kind} that a source asks for (did you mean {close[0]}?)"


def _check_reading(path: Path, read: Callable[[Path], object]) -> list[str]:
    try:
        read(path)
    except ConfigurationError as error:
        return [str(error)]
    return []
