"""How many phones, e-mails and countries of raw leads come out as their person's true ones, and why the others do not.

    python -m benchmarks.quality [--examples N]

Reads `tests/data/identity-dev` (6,000 invented raw leads with truth) and sends every lead through the real map and
normalize stages. A value is right if it equals one that the person's golden record has, compared by match form (how
many are equal letter for letter stands beside it). Every other one is put into a class by what the raw text shows
(`benchmarks.quality_misses`); `ours` are those where the text holds the golden value and we did not find it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.quality_misses import Case, Usage, country_miss, email_miss, phone_miss
from pipeline.records import Envelope, Lead, RawEvent, new_id
from pipeline.stages.mapping.source_mapping import load_source_mapping, map_event
from pipeline.stages.normalization import normalize_lead
from pipeline.values.emails.matching import match_form
from pipeline.values.phones.matching import match_forms
from tests.support.paths import IDENTITY_DEV

KINDS = ("phone", "email", "country")
_RECEIVED = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass
class Tally:
    """Of the leads whose raw text and golden record both have a value of this kind."""

    right: int = 0
    exact: int = 0  # equal letter for letter, not only by match form
    misses: Counter[str] = field(default_factory=Counter)
    examples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def total(self) -> int:
        return self.right + sum(self.misses.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=0, help="raw texts shown of each class (they are invented)")
    options = parser.parse_args()
    for kind, tally in evaluate().items():
        print(
            f"\n{kind}: {tally.right} of {tally.total} right ({tally.right / tally.total:.1%}), {tally.exact} exactly"
        )
        for name, count in tally.misses.most_common():
            print(f"  {count:5}  {name}")
            for example in tally.examples[name][: options.examples]:
                print(f"           {example}")
    return 0


def evaluate() -> dict[str, Tally]:
    """A Tally for each of KINDS. About two seconds."""
    cases = list(_cases())
    usage = Usage(cases)
    tallies = {kind: Tally() for kind in KINDS}
    for case in cases:
        _count_phone(tallies["phone"], case, usage)
        _count_email(tallies["email"], case, usage)
        _count_country(tallies["country"], case)
    return tallies


def _count_phone(tally: Tally, case: Case, usage: Usage) -> None:
    golden = case.golden["mobile"]
    if not case.raw.get("phone") or not golden:
        return
    phone = case.fields.get("phone")
    if phone and match_forms(phone)[0] == match_forms(golden)[0]:
        tally.right += 1
        tally.exact += phone == golden
    else:
        _miss(tally, phone_miss(case, golden, usage), f"{case.raw['phone']!r} -> {phone}, {golden}")


def _count_email(tally: Tally, case: Case, usage: Usage) -> None:
    golden = [email for email in (case.golden["personal_email"], case.golden["work_email"]) if email]
    raw = case.raw.get("email")
    if not raw or not golden:
        return
    email = case.fields.get("email")
    if email and match_form(email) in map(match_form, golden):
        tally.right += 1
        tally.exact += email in golden
    else:
        _miss(tally, email_miss(case, golden, usage), f"{raw!r} -> {email}, {golden}")


def _count_country(tally: Tally, case: Case) -> None:
    raw, golden = case.raw.get("country"), case.golden["country"]
    if not raw or not golden:
        return
    if case.fields.get("country") == golden:
        tally.right += 1
        tally.exact += 1
    else:
        _miss(tally, country_miss(case), f"{raw!r} -> {case.fields.get('country')}, {golden}")


def _miss(tally: Tally, name: str, example: str) -> None:
    tally.misses[name] += 1
    tally.examples[name].append(example)


def _cases() -> Iterator[Case]:
    truth = {row["record_id"]: row for row in _rows("truth")}
    golden = {row["entity_id"]: row for row in _rows("golden")}
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for row in _rows("groups"):
        groups[row["record_id"]].add(row["kind"])
    mapping = load_source_mapping("api")
    with gzip.open(IDENTITY_DEV / "leads.jsonl.gz", "rb") as file:
        for line in file:
            record: dict[str, Any] = json.loads(line)
            mapped = map_event(_event(line), mapping=mapping)
            lead = normalize_lead(mapped, default_region=None) if isinstance(mapped, Lead) else mapped
            person = truth[record["record_id"]]
            yield Case(
                raw=record["fields"],
                fields=lead.fields if isinstance(lead, Lead) else {},
                flags=lead.flags if isinstance(lead, Lead) else {},
                golden=golden[person["entity_id"]],
                entity_id=person["entity_id"],
                company_id=person["company_id"],
                groups=frozenset(groups[record["record_id"]]),
            )


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(IDENTITY_DEV / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _event(line: bytes) -> RawEvent:
    return RawEvent(
        event_id=new_id(),
        brand="default",
        source="api",
        lane="bulk",
        received_at=_RECEIVED,
        occurred_at=None,
        envelope=Envelope(content_type="application/json", body=line),
        is_released=True,  # test leads too: their values are what is judged here
    )


if __name__ == "__main__":
    sys.exit(main())
