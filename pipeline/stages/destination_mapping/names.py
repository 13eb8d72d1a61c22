"""What a destination's `from` may name beside `canonical.DESTINATION_SOURCES`: facts of a person's first and last
touch, answers about consent, and custom fields. None of these is read for a mapping that names none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple

import msgspec

from connectors.kit.paths import parse_path
from pipeline.canonical import (
    ATTRIBUTED_ENDS,
    CONSENT,
    CONSENT_FACTS,
    CUSTOM,
    CUSTOM_NAME,
    DESTINATION_SOURCES,
    SOURCES_OF,
    TOUCH_FACTS,
)
from pipeline.errors import ConfigurationError
from pipeline.stages.attribution.click_ids import click_ids
from pipeline.stages.mapping.consents import consent_channel, consent_purpose
from pipeline.values.nearest import unknown_name

# Of an address what is in it of a person is not kept, so its fields are named by what is.
_KEPT_AS = {"page_url": "landing_path", "referrer": "referrer_host", "reported_source": "source"}
_PARTS = (2, 3)  # purpose and channel, maybe a fact


class TouchName(NamedTuple):
    """`original_gclid`: the name, which end of a person's touches, and what of that touch."""

    name: str
    end: str
    fact: str


class ConsentName(NamedTuple):
    """`consent.marketing.email.at`: the name as written, the question, and what of its answer; "" is the state."""

    name: str
    purpose: str
    channel: str
    fact: str = ""


class Named(msgspec.Struct, frozen=True):
    """What mappings name that has to be read for them beside a person's own row."""

    touches: tuple[TouchName, ...] = ()
    consents: tuple[ConsentName, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.touches or self.consents)


def named_in(names: Iterable[str]) -> Named:
    """What of these names, all checked, has to be read."""
    known = list(dict.fromkeys(names))
    return Named(
        tuple(touch_names()[name] for name in known if name in touch_names()),
        tuple(_consent_name(name) for name in known if name.startswith(CONSENT)),
    )


def all_named(several: Iterable[Named]) -> Named:
    """What any of these name."""
    parts = list(several)
    return Named(
        tuple(dict.fromkeys(name for named in parts for name in named.touches)),
        tuple(dict.fromkeys(name for named in parts for name in named.consents)),
    )


@cache
def touch_names() -> dict[str, TouchName]:
    """Each name of a fact of the first touch and of the last."""
    facts = dict.fromkeys((*TOUCH_FACTS, *click_ids()))
    return {f"{end}_{fact}": TouchName(f"{end}_{fact}", end, fact) for end in ATTRIBUTED_ENDS for fact in facts}


def problem_of(name: str, subject: str = "person") -> str | None:
    """What is wrong with a name in `from` of what stands for this subject, with what is allowed and the nearest one;
    None: nothing is."""
    if subject != "person":
        allowed = (*SOURCES_OF[subject], *(click_ids() if subject == "touch" else ()))
        return None if name in allowed else f"of a {subject} {unknown_name(name, allowed)}"
    if name in DESTINATION_SOURCES or name in touch_names():
        return None
    if name.startswith(CUSTOM):
        if re.fullmatch(CUSTOM_NAME, name.removeprefix(CUSTOM)):
            return None
        return f"{name!r} is no custom field; allowed: custom.NAME, a name under `custom` of a source's mapping"
    if name.startswith(CONSENT):
        return _problem_of_consent(name)
    return _unknown(name)


def _consent_name(name: str) -> ConsentName:
    purpose, channel, *fact = _steps(name)
    return ConsentName(name, consent_purpose(purpose), consent_channel(channel), *fact)


def _steps(name: str) -> list[str]:
    """What stands between the dots; as in any path, a backslash makes a dot part of a word. [] where it is no path."""
    try:
        steps = parse_path(name.removeprefix(CONSENT))
    except ConfigurationError:
        return []
    return [step for step in steps if isinstance(step, str)] if all(isinstance(step, str) for step in steps) else []


def _problem_of_consent(name: str) -> str | None:
    steps = _steps(name)
    if len(steps) == max(_PARTS) and steps[2] not in CONSENT_FACTS:
        return f"{name!r}: {steps[2]!r} is not known{_near(steps[2], CONSENT_FACTS)}; allowed: {_of_consent()}"
    if len(steps) not in _PARTS or not all(step.strip() for step in steps):
        return f"{name!r} names no question; allowed: {_of_consent()}"
    return None


def _of_consent() -> str:
    return f"consent.PURPOSE.CHANNEL, and behind it {', '.join(f'.{fact}' for fact in CONSENT_FACTS)}"


def _unknown(name: str) -> str:
    end, _, field = name.partition("_")
    if end in ATTRIBUTED_ENDS and field in _KEPT_AS:
        return f"{name!r} is not kept as it came; what is kept of it is {end}_{_KEPT_AS[field]}"
    both = [f"{end}_{_KEPT_AS.get(name, name)}" for end in ATTRIBUTED_ENDS]
    if all(one in DESTINATION_SOURCES or one in touch_names() for one in both):
        return f"{name!r} is of a touch; name that of the first one or of the last: {' or '.join(both)}"
    facts = ", ".join(dict.fromkeys(touch.fact for touch in touch_names().values()))
    return (
        f"{name!r} is not known{_near(name, (*DESTINATION_SOURCES, *touch_names()))}; allowed:"
        f" {', '.join(sorted(DESTINATION_SOURCES))}; custom.NAME; {_of_consent()}; original_ and latest_ before"
        f" {facts}"
    )


def _near(name: str, allowed: Iterable[str]) -> str:
    close = get_close_matches(name, list(allowed), 1)
    return f" (did you mean {close[0]}?)" if close else ""
