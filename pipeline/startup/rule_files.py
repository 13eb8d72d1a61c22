"""The rules that everybody goes by from start to end: who is who, one name, golden values, and what is no lead.

The supervisor reads them too, to refuse a start; so nothing is imported here but what reads a file.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.identity.matching.name_agreement import nicknames
from pipeline.identity.matching.rules import identity_rules
from pipeline.stages.survivorship.rules import survivorship_rules
from pipeline.stages.validation.rules import load_rules

# Each reads its file once per process. Raises ConfigurationError, and reads anew next time, if the file is wrong.
RULES: dict[str, Callable[[], object]] = {
    "identity": identity_rules,
    "survivorship": survivorship_rules,
    "nicknames": nicknames,
    "validation": load_rules,
}


def read_rules_in_force() -> None:
    """Read what was not read yet. Raises ConfigurationError saying what is wrong in which file."""
    for read in RULES.values():
        read()
