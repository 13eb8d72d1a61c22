"""Phones of a file that name no country: how many, and whose they may be. Nothing is applied: it is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from phonenumbers import country_code_for_region

from pipeline.intake.instances import SourceInstance
from pipeline.records import Envelope, Lead, RawEvent, new_id
from pipeline.stages.mapping.source_mapping import SourceMapping, map_event
from pipeline.stages.normalization import show_normalized
from pipeline.values.column_titles import COUNTRIES_OF_LANGUAGE, bare_meaning, title_keys, titles
from pipeline.values.phones.phones import normalize_phone

_LEAST_SHARE = 0.5  # of the numbers that must be valid in a country before it is named


class PhonesSeen(NamedTuple):
    """`region` (alpha-2) is where most of those `without_country` are valid, of the countries that speak the language
    of the titles; None if no such country stands out."""

    seen: int = 0
    without_country: int = 0
    region: str | None = None


def see_phones(
    envelopes: Iterable[Envelope],
    instance: SourceInstance,
    mapping: SourceMapping,
    columns: Iterable[str],
    *,
    region: str | None,
) -> PhonesSeen:
    """Over some rows of a file, as they would be stored. `region`: of phones whose lead and mapping name none."""
    seen, unknown = 0, []
    now = datetime.now(UTC)
    for envelope in envelopes:
        raw = RawEvent(
            event_id=new_id(),
            brand=instance.brand,
            source=instance.slug,
            lane=instance.lane,
            received_at=now,
            occurred_at=None,
            envelope=envelope,
        )
        try:
            mapped = map_event(raw, mapping=mapping, connector=instance.connector)
        except Exception:  # noqa: BLE001, S112 - a fault in reading one row: the worker that maps it meets and tells it
            continue
        if not isinstance(mapped, Lead) or not (phone := mapped.fields.get("phone")):
            continue
        seen += 1
        if "region_unknown" in show_normalized(mapped, default_region=region).flags.get("phone", ()):
            unknown.append(str(phone))
    return PhonesSeen(seen, len(unknown), _region_of(unknown, columns) if unknown else None)


def _region_of(phones: list[str], columns: Iterable[str]) -> str | None:
    language = _language_of(columns)
    candidates = COUNTRIES_OF_LANGUAGE.get(language, ())
    counts = {
        region: sum(normalize_phone(phone, (region,)).value is not None for phone in phones) for region in candidates
    }
    best = max(counts, key=lambda region: counts[region], default=None)
    if best is None or counts[best] < _LEAST_SHARE * len(phones):
        return None
    rivals = [counts[region] for region in candidates if _calling_code(region) != _calling_code(best)]
    # English titles name no country: only one that hardly any other fits is worth a word.
    return best if language != "en" or max(rivals, default=0) <= counts[best] / 2 else None


def _calling_code(region: str) -> int:
    return int(country_code_for_region(region))


def _language_of(columns: Iterable[str]) -> str:
    """The language that most titles are in, English only if no other has any."""
    known = titles()
    languages: Counter[str] = Counter()
    for column in columns:
        key = next((key for key in title_keys(column) if key in known.fields), None)
        if key is None:
            kind, found = bare_meaning(column) or ("", "")
            key = found if kind == "fields" else None
        if key is not None:
            languages[known.fields[key][1]] += 1
    others = [(count, language) for language, count in languages.items() if language in COUNTRIES_OF_LANGUAGE]
    foreign = [(count, language) for count, language in others if language != "en"]
    return max(foreign or others, default=(0, "en"))[1]
