"""How many golden values are right: leads of identity-dev, joined as the truth says, merged by survivorship alone.

    python -m benchmarks.golden [--leads FOLDER]

A field of a person counts only where some lead shows the right value, letter for letter: so neither normalization nor
matching is measured. Prints the share that is right by the rules in force and by the newest value alone, for all people
and for those whose leads disagree.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.identity import read_leads
from pipeline.records import Envelope, Lead, Profile, RawEvent, new_id
from pipeline.stages.mapping.source_mapping import load_source_mapping, map_event
from pipeline.stages.normalization import normalize_lead
from pipeline.stages.survivorship.rules import GoldenRule, SurvivorshipRules, survivorship_rules
from pipeline.stages.survivorship.survivorship import merge_profile
from tests.support.paths import IDENTITY_DEV

# Golden field -> columns of the truth that hold a right value: a person may have two right addresses.
FIELDS = {
    "first_name": ("first_name",),
    "last_name": ("last_name",),
    "country": ("country",),
    "company": ("company",),
    "email": ("personal_email", "work_email"),
    "phone": ("mobile",),
}
Shares = dict[str, dict[str, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=Path, default=IDENTITY_DEV)
    options = parser.parse_args()
    print(json.dumps(evaluate(options.leads), indent=2))
    return 0


def evaluate(folder: Path = IDENTITY_DEV) -> dict[str, Shares]:
    """Per set of rules and field: `people` who count and the share `right`, the same of those who `disagree`."""
    newest = SurvivorshipRules("newest", dict.fromkeys(survivorship_rules().fields, GoldenRule()))
    people = list(_people(folder))
    return {
        "rules_in_force": _shares(people, survivorship_rules()),
        "newest_alone": _shares(people, newest),
    }


def _shares(people: Sequence[tuple[dict[str, str], list[Lead]]], rules: SurvivorshipRules) -> Shares:
    found: dict[str, list[tuple[bool, bool]]] = {field: [] for field in FIELDS}
    for truth, leads in people:
        profile = Profile()
        for lead in leads:
            profile, _ = merge_profile(profile, lead, rules)
        values = profile.values()
        for field, columns in FIELDS.items():
            right = {truth[column] for column in columns} - {""}
            said = {lead.fields[field] for lead in leads if lead.fields.get(field)}
            if right & said:
                found[field].append((values.get(field) in right, len(said) > 1))
    return {field: _share(outcomes) for field, outcomes in found.items()}


def _share(outcomes: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    disputed = [is_right for is_right, is_disputed in outcomes if is_disputed]
    return {
        "people": len(outcomes),
        "right": round(sum(is_right for is_right, _ in outcomes) / max(1, len(outcomes)), 4),
        "disagree": len(disputed),
        "right_where_disagreed": round(sum(disputed) / max(1, len(disputed)), 4),
    }


def _people(folder: Path) -> Iterator[tuple[dict[str, str], list[Lead]]]:
    """Each person's true values and normalized leads."""
    owner = {row["record_id"]: row["entity_id"] for row in _rows(folder / "truth.csv.gz")}
    leads: defaultdict[str, list[Lead]] = defaultdict(list)
    mapping = load_source_mapping("api")
    for raw in read_leads(folder):
        envelope = Envelope("application/json", json.dumps(raw).encode())
        event = RawEvent(new_id(), "default", "api", "bulk", datetime.now(UTC), None, envelope)
        mapped: Any = map_event(event, mapping=mapping)
        lead = normalize_lead(mapped, default_region=None) if isinstance(mapped, Lead) else mapped
        if isinstance(lead, Lead):
            leads[owner[raw["external_id"]]].append(lead)
    for truth in _rows(folder / "golden.csv.gz"):
        yield truth, leads[truth["entity_id"]]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


if __name__ == "__main__":
    sys.exit(main())
