"""Survivorship: which value wins when leads of one person meet. Field by field, as `mappings/survivorship.yaml` says.

Merging is commutative and idempotent: whatever order leads arrive in, however often, the profile is the same as one
made of all of them at once. So a field keeps its best value so far (every rank ends with occurred_at and event_id: no
two are equal), and where the choice depends on the others, the last few values as votes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pipeline.canonical import CUSTOM
from pipeline.records import FieldValue, Lead, Profile
from pipeline.stages.survivorship.rules import (
    ADDRESSES,
    SINGLE_FIELDS,
    GoldenRule,
    SurvivorshipRules,
    survivorship_rules,
)
from pipeline.values.companies.companies import match_form
from pipeline.values.derived import derive
from pipeline.values.emails.domains import is_disposable
from pipeline.values.emails.emails import suggestion
from pipeline.values.emails.local_parts import is_placeholder, is_role
from pipeline.values.folding import fold
from pipeline.values.names.credentials import without_credentials
from pipeline.values.normalized import is_empty
from pipeline.values.phones.matching import phone_type

# A placeholder such as info@… may collect thousands of numbers; beyond this many the alphabetically first ones stay.
OTHERS_LIMIT = 50
# Of a voted field the votes of this many leads are kept, the newest ones: a profile does not grow without end.
VOTES_LIMIT = 10
_LONGEST_NAME = 100  # characters; what is longer is no complete name
_LANDLINES = frozenset(("fixed", "toll_free", "shared_cost", "premium", "company_wide", "voicemail"))
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
Rank = tuple[Any, ...]


def merge_profile(profile: Profile, lead: Lead, rules: SurvivorshipRules | None = None) -> tuple[Profile, bool]:
    """The profile with the lead's values in it, and whether any value (not only its provenance) changed.

    Empty values never overwrite. The profile handed in is left as it is.
    """
    rules = rules or survivorship_rules()
    of_field = rules.fields
    merged = Profile(dict(profile.fields), dict(profile.votes))
    for name in SINGLE_FIELDS:
        value = lead.fields.get(name)
        if not is_empty(value):
            _choose(merged, of_field[name], name, FieldValue(value, lead.source, lead.event_id, lead.occurred_at))
    for name, value in lead.fields.items():
        if name.startswith(CUSTOM) and not is_empty(value):
            _choose(merged, rules.of(name), name, FieldValue(value, lead.source, lead.event_id, lead.occurred_at))
    for main, others in ADDRESSES.items():
        _merge_addresses(merged, of_field[main], lead, main, others)
    if profile.emptied:
        merged.emptied = {name: version for name, version in profile.emptied.items() if name not in merged.fields}
    return merged, _values(merged.fields) != _values(profile.fields)


def merge_profiles(profile: Profile, other: Profile, rules: SurvivorshipRules | None = None) -> Profile:
    """The profile of all leads of both: what merging each of those would give. `emptied` stays that of `profile`."""
    rules = rules or survivorship_rules()
    of_field = rules.fields
    merged = Profile(dict(profile.fields), dict(profile.votes), emptied=dict(profile.emptied))
    for name in (*SINGLE_FIELDS, *(name for name in other.fields if name.startswith(CUSTOM))):
        if name in other.fields:
            _choose(merged, rules.of(name), name, *other.votes.get(name, [other.fields[name]]))
    for main, others in ADDRESSES.items():
        theirs = other.fields.get(main)
        if theirs is not None:
            kept = _addresses_of(merged, main, others) | _addresses_of(other, main, others)
            _choose(merged, of_field[main], main, *other.votes.get(main, [theirs]))
            _keep_others(merged, main, others, kept)
    return merged


def with_kept(profile: Profile, before: Profile, event_ids: Collection[UUID], *, strictly: bool = False) -> Profile:
    """The profile with what these events, whose leads cannot be read again, had said in `before`.

    They may have said more than the values that were chosen of them: where `profile` has none, that of `before` stays,
    and all addresses do. `strictly`: nothing stays but what is known to be theirs.
    """
    kept = Profile(
        {name: value for name, value in before.fields.items() if value.event_id in event_ids},
        {
            name: said
            for name, votes in before.votes.items()
            if (said := [vote for vote in votes if vote.event_id in event_ids])
        },
    )
    for name, votes in kept.votes.items():
        kept.fields.setdefault(name, votes[0])
    for main, others in ADDRESSES.items():
        if others in kept.fields and (strictly or main not in kept.fields):
            del kept.fields[others]
    merged = merge_profiles(profile, kept)
    if strictly:
        return merged
    for name, value in before.fields.items():
        if name not in merged.fields:
            merged.fields[name] = value
            if name in before.votes:
                merged.votes[name] = before.votes[name]
    for main, others in ADDRESSES.items():
        if main in merged.fields and main in before.fields:
            _keep_others(
                merged, main, others, _addresses_of(merged, main, others) | _addresses_of(before, main, others)
            )
    return merged


def taken_back(before: Profile, after: Profile, version: int) -> dict[str, int]:
    """What `before` had, itself or derived from it, and `after`, its `version`, has no more: for `Profile.emptied`."""
    had, has = before.values(), after.values()
    gone = dict.fromkeys((*had, *derive(had)), version)
    kept = {*has, *derive(has)}
    return {name: since for name, since in {**before.emptied, **gone}.items() if name not in kept}


def _choose(merged: Profile, rule: GoldenRule, name: str, *candidates: FieldValue) -> None:
    if rule.is_voted:
        new = {vote.event_id for vote in candidates}
        votes = [*(vote for vote in merged.votes.get(name, ()) if vote.event_id not in new), *candidates]
        if len(votes) > 1:
            votes = sorted(votes, key=lambda vote: _vote_rank(rule, name, vote), reverse=True)[:VOTES_LIMIT]
        merged.votes[name] = votes
        merged.fields[name] = _elected(rule, name, votes)
        return
    for mine in candidates:
        golden = merged.fields.get(name)
        if golden is None or _wins(rule, name, mine, golden):
            merged.fields[name] = mine


def _wins(rule: GoldenRule, name: str, mine: FieldValue, golden: FieldValue) -> bool:
    if rule.is_plain:
        return (mine.at, mine.event_id) >= (golden.at, golden.event_id)
    return _rank(rule, name, mine) >= _rank(rule, name, golden)


def _rank(rule: GoldenRule, name: str, candidate: FieldValue) -> Rank:
    """Greater wins."""
    preferred, stamp = _preference(rule, name, candidate), (candidate.at, candidate.event_id)
    match rule.keep:
        case "oldest":
            return (*preferred, _EPOCH - candidate.at, -candidate.event_id.int)
        case "longest":
            return (*preferred, len(candidate.value), *stamp)
        case "most_complete":
            return (*preferred, *_completeness(candidate.value), *stamp)
    return (*preferred, *stamp)


def _preference(rule: GoldenRule, name: str, candidate: FieldValue) -> tuple[bool, int]:
    return _is_usable(rule, name, candidate.value), -rule.sources.get(candidate.source, len(rule.sources))


def _completeness(name: str) -> tuple[int, int, int]:
    """Words (initials are none), letters with accents, length: `María José` over `Maria José`, `Maria` and `M. J.`.

    A credential is no word of a name: `Dana Okafor, SHRM-CP` is as complete as `Dana Okafor`.
    """
    if len(name) > _LONGEST_NAME:
        return 0, 0, 0
    name = without_credentials(name)
    words = sum(len(word.strip(".")) > 1 for word in name.split())
    return words, _accents(name), len(name)


def _accents(text: str) -> int:
    """Letters of Latin script beyond the English alphabet."""
    return 0 if text.isascii() else sum("\u00c0" <= letter <= "\u024f" and letter.isalpha() for letter in text)


def _vote_rank(rule: GoldenRule, name: str, vote: FieldValue) -> Rank:
    return (*_preference(rule, name, vote), vote.at, vote.event_id)


def _elected(rule: GoldenRule, name: str, votes: Sequence[FieldValue]) -> FieldValue:
    """Of `votes`, best first: only those as good as the first one count."""
    if len(votes) == 1:
        return votes[0]
    best = _preference(rule, name, votes[0])
    counted = [vote for vote in votes if _preference(rule, name, vote) == best]
    if rule.keep == "best_spelled":
        meant = _meaning(name, votes[0].value)
        counted = [vote for vote in counted if _meaning(name, vote.value) == meant]
    votes_for = Counter(vote.value for vote in counted)
    care = _care if rule.keep == "best_spelled" else _no_care
    return max(counted, key=lambda vote: (*care(vote.value), votes_for[vote.value], vote.at, vote.event_id))


def _meaning(name: str, text: str) -> str:
    """What spellings of one company have in common, or of another text."""
    return (match_form(text) if name == "company" else fold(text)) or text


def _care(text: str) -> tuple[bool, int]:
    """How carefully it was written: `Müller GmbH` over `Muller GmbH` over `MULLER GMBH`."""
    return text not in (text.upper(), text.lower()), _accents(text)


def _no_care(_text: str) -> tuple[()]:
    return ()


def _merge_addresses(merged: Profile, rule: GoldenRule, lead: Lead, main: str, others: str) -> None:
    seen = [value for value in (lead.fields.get(main), *lead.fields.get(others, ())) if value]
    if not seen:
        return
    kept = _addresses_of(merged, main, others).union(seen)
    own = seen[0]
    if len(seen) > 1 and rule.last_resort:
        own = next((value for value in seen if _is_usable(rule, main, value)), own)
    golden = merged.fields.get(main)
    if golden is not None and golden.value == own and rule.keep == "newest" and not rule.sources:
        if (lead.occurred_at, lead.event_id) >= (golden.at, golden.event_id):
            merged.fields[main] = FieldValue(own, lead.source, lead.event_id, lead.occurred_at)
    else:
        _choose(merged, rule, main, FieldValue(own, lead.source, lead.event_id, lead.occurred_at))
    _keep_others(merged, main, others, kept)


def _addresses_of(profile: Profile, main: str, others: str) -> set[str]:
    addresses = set(profile.fields[others].value) if others in profile.fields else set()
    if main in profile.fields:
        addresses.add(profile.fields[main].value)
    return addresses


def _keep_others(merged: Profile, main: str, others: str, kept: set[str]) -> None:
    golden = merged.fields[main]
    # The first ones of all, the golden one among them or not: so a late lead finds what an early one would have left.
    rest = [value for value in sorted(kept)[:OTHERS_LIMIT] if value != golden.value]
    if rest:
        merged.fields[others] = FieldValue(rest, golden.source, golden.event_id, golden.at)
    else:
        merged.fields.pop(others, None)


def _is_usable(rule: GoldenRule, name: str, value: Any) -> bool:
    return not rule.last_resort or not any(_IS_LAST_RESORT[name, kind](value) for kind in rule.last_resort)


def _is_role(email: str) -> bool:
    return is_role(email.rpartition("@")[0])


def _is_placeholder(email: str) -> bool:
    local_part, _, domain = email.rpartition("@")
    return is_placeholder(local_part.partition("+")[0], domain)


def _is_disposable(email: str) -> bool:
    return is_disposable(email.rpartition("@")[2])


def _is_misspelled(email: str) -> bool:
    return suggestion(email) is not None


def _is_landline(phone: str) -> bool:
    return phone_type(phone) in _LANDLINES


_IS_LAST_RESORT = {
    ("email", "role"): _is_role,
    ("email", "placeholder"): _is_placeholder,
    ("email", "disposable"): _is_disposable,
    ("email", "misspelled"): _is_misspelled,
    ("phone", "landline"): _is_landline,
}


def _values(fields: dict[str, FieldValue]) -> dict[str, Any]:
    return {name: field.value for name, field in fields.items()}
