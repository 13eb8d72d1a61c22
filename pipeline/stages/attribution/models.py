"""Attribution models: how the credit for one person is divided among that person's touches. Pure arithmetic.

The conversion is a person's last touch of those given: the contact that the report counts. Every model divides exactly
1 (within 1e-9), so the credits of a report add up to its people. Touches are put in order here, by (occurred_at,
event_id, position), so the order in which they are handed over does not matter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline.records import PathTouch
from pipeline.stages.attribution.channels import DIRECT, channel_of

HALF_LIFE_DAYS = 7.0
_DIRECT_CHANNEL = channel_of(*DIRECT)
_ENDS_SHARE = 0.4  # of the first and of the last touch in the position-based model; what is left is for those between
_DAY = timedelta(days=1)

Divide = Callable[[Sequence[PathTouch], float], list[float]]


def credits(  # noqa: A001 - what is divided is called credit, and nobody here wants the interpreter's
    model: str,
    touches: Sequence[PathTouch],
    *,
    half_life_days: float = HALF_LIFE_DAYS,
    ignore_direct: bool = False,
) -> list[float]:
    """Credit per touch, in the order of `touches`; the sum is 1, or nothing if there are none.

    `model` is one of MODELS. `half_life_days` is for `time_decay`: a touch that much older than the last one counts
    half. `ignore_direct` gives Direct touches no credit as long as the person has another touch, as GA4 does;
    `last_non_direct` is `last` with that. Raises ValueError for an unknown model or a half-life that is not positive.
    """
    if model not in MODELS:
        raise ValueError(f"{model!r} is not a model; allowed: {', '.join(MODELS)}")
    if not (math.isfinite(half_life_days) and half_life_days > 0):
        raise ValueError(f"a half-life of {half_life_days} days is not allowed; it must be more than 0")
    if len(touches) <= 1:
        return [1.0] * len(touches)
    divide, always_ignores_direct = _MODELS[model]
    order = sorted(range(len(touches)), key=touches.__getitem__)
    if ignore_direct or always_ignores_direct:
        order = [place for place in order if touches[place].channel != _DIRECT_CHANNEL] or order
    shares = [0.0] * len(touches)
    for place, share in zip(order, divide([touches[place] for place in order], half_life_days), strict=True):
        shares[place] = share
    return shares


def _first(path: Sequence[PathTouch], _half_life: float) -> list[float]:
    return [1.0] + [0.0] * (len(path) - 1)


def _last(path: Sequence[PathTouch], _half_life: float) -> list[float]:
    return [0.0] * (len(path) - 1) + [1.0]


def _linear(path: Sequence[PathTouch], _half_life: float) -> list[float]:
    return [1 / len(path)] * len(path)


def _position_based(path: Sequence[PathTouch], half_life: float) -> list[float]:
    """40 % each for the first and the last, 20 % for all between. Two share equally."""
    if len(path) <= 2:
        return _linear(path, half_life)
    between = (1 - 2 * _ENDS_SHARE) / (len(path) - 2)
    return [_ENDS_SHARE, *([between] * (len(path) - 2)), _ENDS_SHARE]


def _time_decay(path: Sequence[PathTouch], half_life: float) -> list[float]:
    """Half as much for each half-life before the last touch, then brought to a sum of 1. The last one weighs 1, so the
    sum is never 0, however old the others are."""
    last = path[-1].occurred_at
    weights = [_halved((last - touch.occurred_at) / _DAY / half_life) for touch in path]
    whole = math.fsum(weights)
    return [weight / whole for weight in weights]


def _halved(times: float) -> float:
    return 2.0**-times if times < 1_000 else 0.0


# Model -> how it divides, and whether Direct touches are left out whatever the caller says.
_MODELS: dict[str, tuple[Divide, bool]] = {
    "first": (_first, False),
    "last": (_last, False),
    "last_non_direct": (_last, True),
    "linear": (_linear, False),
    "position_based": (_position_based, False),
    "time_decay": (_time_decay, False),
}
MODELS = tuple(_MODELS)


@dataclass(frozen=True, slots=True)
class AttributionRow:
    """One channel, campaign or source. `credits` by model, in people; `people` who met it; `touches` on their paths."""

    name: str
    credits: dict[str, float]
    people: int
    touches: int


@dataclass(frozen=True, slots=True)
class AttributionTable:
    """Rows, the one with most credit in the first model on top. In each model the credits add up to `people`."""

    models: tuple[str, ...]
    people: int
    touches: int
    rows: tuple[AttributionRow, ...]


@dataclass(slots=True)
class _Group:
    credits: list[float]
    people: int = 0
    touches: int = 0
    spellings: Counter[str] = field(default_factory=Counter)


def tabulate(
    paths: Iterable[Sequence[PathTouch]],
    models: Sequence[str],
    *,
    half_life_days: float = HALF_LIFE_DAYS,
    ignore_direct: bool = False,
) -> AttributionTable:
    """The credits of many people, added up by `PathTouch.name`; each path is one person's.

    Names that differ in case or outer spaces only are one row, under the most frequent spelling. Takes memory for the
    different names, not for the people.
    """
    groups: dict[str, _Group] = {}
    people = touches = 0
    for path in paths:
        if not path:
            continue
        people += 1
        touches += len(path)
        names = [touch.name.strip().casefold() for touch in path]
        for name, touch in zip(names, path, strict=True):
            group = groups.get(name)
            if group is None:
                group = groups[name] = _Group([0.0] * len(models))
            group.touches += 1
            group.spellings[touch.name.strip()] += 1
        for name in set(names):
            groups[name].people += 1
        for place, model in enumerate(models):
            shares = credits(model, path, half_life_days=half_life_days, ignore_direct=ignore_direct)
            for name, share in zip(names, shares, strict=True):
                groups[name].credits[place] += share
    rows = [
        AttributionRow(
            _most_frequent(group.spellings),
            dict(zip(models, group.credits, strict=True)),
            group.people,
            group.touches,
        )
        for group in groups.values()
    ]
    rows.sort(key=lambda row: ([-row.credits[model] for model in models[:1]], -row.people, row.name))
    return AttributionTable(tuple(models), people, touches, tuple(rows))


def _most_frequent(spellings: Counter[str]) -> str:
    return min(spellings, key=lambda spelling: (-spellings[spelling], spelling))
