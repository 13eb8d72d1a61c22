"""The weights and thresholds of `mappings/identity.yaml`, read once per process and checked."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import ConfigurationError
from pipeline.values.yaml_files import mapping_file, read_yaml, shown

WEIGHTS = (
    "name_full",
    "name_close",
    "name_later",
    "name_crossed",
    "name_part",
    "name_initial",
    "name_unknown",
    "name_same_given",
    "name_same_family",
    "name_different",
    "email",
    "email_of_two",
    "email_of_many",
    "phone",
    "phone_of_two",
    "phone_of_many",
    "profile",
    "email_slip",
    "email_moved",
    "phone_slip",
    "employer",
    "other_employer",
    "two_mailboxes",
    "other_contacts",
)
_TOO_MUCH = 1e15  # nor is .nan below it
_KEYS = {"version", "thresholds", "weights", "of_two", "of_many", "alike", "crowded", "certain"}


class IdentityRules(msgspec.Struct, frozen=True):
    """`weights` in bits by kind of evidence; `same`, `review` and `certain` are sums of them."""

    version: int
    same: float
    review: float
    certain: float
    of_two: int
    of_many: int
    most_alike: int  # `alike` in the file
    crowded: int
    weights: dict[str, float]


@cache
def identity_rules() -> IdentityRules:
    """The rules in force. Raises ConfigurationError saying what is wrong in the file."""
    return read_rules(mapping_file("identity.yaml"))


def read_rules(path: Path) -> IdentityRules:
    """The rules in this file, checked. Raises ConfigurationError."""
    content = read_yaml(path)
    if not isinstance(content, dict) or set(content) != _KEYS:
        raise ConfigurationError(f"{shown(path)}: must hold exactly {', '.join(sorted(_KEYS))}")
    thresholds, weights = content["thresholds"], content["weights"]
    if not isinstance(thresholds, dict) or set(thresholds) != {"same", "review"}:
        raise ConfigurationError(f"{shown(path)}: thresholds must hold exactly same and review")
    if not isinstance(weights, dict) or set(weights) != set(WEIGHTS):
        odd = sorted(set(WEIGHTS) ^ set(weights)) if isinstance(weights, dict) else list(WEIGHTS)
        raise ConfigurationError(f"{shown(path)}: weights lacks or does not know {', '.join(map(str, odd))}")
    rules = IdentityRules(
        version=_number(path, "version", content["version"], whole=True),
        same=_number(path, "thresholds.same", thresholds["same"]),
        review=_number(path, "thresholds.review", thresholds["review"]),
        certain=_number(path, "certain", content["certain"]),
        of_two=_number(path, "of_two", content["of_two"], whole=True),
        of_many=_number(path, "of_many", content["of_many"], whole=True),
        most_alike=_number(path, "alike", content["alike"], whole=True),
        crowded=_number(path, "crowded", content["crowded"], whole=True),
        weights={name: _number(path, f"weights.{name}", weights[name]) for name in WEIGHTS},
    )
    if not rules.review <= rules.same <= rules.certain:
        raise ConfigurationError(f"{shown(path)}: review must not exceed same, nor same certain")
    if not 2 <= rules.of_two <= rules.of_many <= rules.most_alike <= rules.crowded:
        raise ConfigurationError(f"{shown(path)}: 2 <= of_two <= of_many <= alike <= crowded must hold")
    return rules


def _number(path: Path, place: str, value: Any, *, whole: bool = False) -> Any:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not abs(value) < _TOO_MUCH:
        raise ConfigurationError(f"{shown(path)}: {place}: {value!r} is not a {'whole ' * whole}number")
    return value
