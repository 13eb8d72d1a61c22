"""How many examples the properties take: few in the short profile, which `make test` uses, all in the long one.

Chosen by `--hypothesis-profile short|long`; without it, short.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

LONG_EXAMPLES = 100
_SHORT_EXAMPLES = 25


def register_profiles() -> None:
    """Neither profile has a limit of time for one example: a busy machine is no defect. The short one takes the same
    examples each time, so that a run tells of the change at hand; the long one looks for new ones."""
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
    settings.register_profile("long", patient, max_examples=LONG_EXAMPLES)
    settings.register_profile("short", patient, max_examples=_SHORT_EXAMPLES, derandomize=True, database=None)
    settings.load_profile("short")


def examples(count: int) -> int:
    """`count` in the long profile and its share in the other: for a property with a number of its own."""
    return max(1, count * settings.default.max_examples // LONG_EXAMPLES)
