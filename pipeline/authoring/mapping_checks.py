"""Are the mapping files sound: of sources and destinations, and the rules of identity and survivorship."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from connectors.kit.conformance.mapping_checks import (
    every_field_is_decided,
    every_mapped_path_occurs,
    mapping_is_sound,
)
from connectors.kit.registry import sources
from pipeline.authoring.conformance_cases import make_case
from pipeline.errors import ConfigurationError
from pipeline.identity.matching.name_agreement import nicknames
from pipeline.identity.matching.rules import read_rules
from pipeline.stages.mapping.source_mapping import load_destination_mapping
from pipeline.stages.survivorship.rules import read_survivorship
from pipeline.stages.validation.rules import read_rules as read_validation
from pipeline.values.yaml_files import mapping_file, mapping_files, shown


def check_mappings() -> dict[str, list[str]]:
    """What is to settle of every mapping there is, as sentences, by path below the root."""
    problems = {path: _check_source(path) for path in mapping_files("sources")}
    problems |= {
        path: _check_reading(path, lambda path: load_destination_mapping(path.stem))
        for path in mapping_files("destinations")
    }
    rules: dict[Path, Callable[[Path], object]] = {
        mapping_file("identity.yaml"): read_rules,
        mapping_file("survivorship.yaml"): read_survivorship,
        mapping_file("validation.yaml"): read_validation,
        mapping_file("vocabularies/nicknames.yaml"): lambda _: nicknames(),
    }
    problems |= {path: _check_reading(path, read) for path, read in rules.items()}
    return {shown(path): sentences for path, sentences in problems.items()}


def _check_source(path: Path) -> list[str]:
    connector = sources().get(path.stem)
    if connector is None:
        return [f"no source goes by this name: write connectors/sources/{path.stem}.py, or delete the mapping"]
    try:
        case = make_case(connector)
        return mapping_is_sound(case) or [*every_field_is_decided(case), *every_mapped_path_occurs(case)]
    except ConfigurationError as error:  # of the rules that its samples go by, which have a line of their own
        return [str(error)]


def _check_reading(path: Path, read: Callable[[Path], object]) -> list[str]:
    try:
        read(path)
    except ConfigurationError as error:
        return [str(error)]
    return []
