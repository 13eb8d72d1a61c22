"""Names as leads have them, against what is known of the people: the share that is split right, wrong, or left.

The people are invented by rules, and their names are in no vocabulary of ours for that reason. Their leads write
nicknames, initials, first names only and misspellings on purpose: a part counts as right if each word of it is one of
the person's words for that part, and a name with a word that is none of the person's is judged by its other words.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter

from pipeline.values.folding import fold
from pipeline.values.names.completion import Names, complete_names
from pipeline.values.names.names import normalize_full_name
from pipeline.values.places.countries import country_code
from tests.support.paths import IDENTITY_DEV


def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(IDENTITY_DEV / name, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def verdict(text: str, country: str | None, person: dict[str, str]) -> str:
    whole = normalize_full_name(text)
    names = complete_names(Names(None, None, whole.value), written=text, country=country).names
    given, family = fold(names.first or "").split(), fold(names.last or "").split()
    its_given, its_family = set(fold(person["first_name"]).split()), set(fold(person["last_name"]).split())
    if not given and not family:
        return "uncertain" if len((whole.value or "").split()) > 1 else "uncertain, one word"
    if set(given) <= its_given and set(family) <= its_family:
        return "right"
    crossed = (set(given) & its_family - its_given) or (set(family) & its_given - its_family)
    return "wrong" if crossed or {*given, *family} <= its_given | its_family else "right but for a word of nobody's"


def test_most_names_are_split_right_and_hardly_any_wrong():
    people = {row["entity_id"]: row for row in rows("golden.csv.gz")}
    owners = {row["record_id"]: row["entity_id"] for row in rows("truth.csv.gz")}
    found: Counter[str] = Counter()
    with gzip.open(IDENTITY_DEV / "leads.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            lead = json.loads(line)
            person = people.get(owners[lead["record_id"]])
            text = lead["fields"].get("name")
            if text and person:
                country = country_code(lead["fields"].get("country") or "") or lead.get("region")
                found[verdict(text, country, person)] += 1
    share = {kind: count / found.total() for kind, count in found.items()}
    assert found.total() > 3_500
    assert share["right"] >= 0.76
    assert share["right"] + share["right but for a word of nobody's"] >= 0.93  # nicknames, misspellings, initials
    assert share["wrong"] <= 0.007
    assert share["uncertain"] <= 0.03
    assert share["uncertain, one word"] <= 0.04
