"""How fast the pure stages are on one core: map and normalize of a realistic lead of 20 fields, no database, no broker.

    python -m benchmarks.stages [--leads N] [--profile]

`per_second` is the figure of the budget (map and normalize together at least 6,000 leads/s); the rest says where the
time goes. Memory is the growth of the process over the second half of the leads: caches that grow would show there.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from benchmarks.realistic import bodies
from pipeline.identity.matching.evidence import evidence_of, keys_of
from pipeline.records import Envelope, Lead, RawEvent, new_id
from pipeline.stages.attribution.touches import touch_of
from pipeline.stages.mapping.source_mapping import load_source_mapping, map_event
from pipeline.stages.normalization import normalize_lead

_WARM = 2_000
_RECEIVED = datetime(2027, 1, 1, tzinfo=UTC)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=40_000)
    parser.add_argument("--profile", action="store_true", help="where the time goes, by function")
    options = parser.parse_args()
    if options.profile:
        profile = cProfile.Profile()
        profile.enable()
        measure(options.leads // 4)
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        return 0
    print(json.dumps(measure(options.leads), indent=2))
    return 0


def measure(count: int) -> dict[str, Any]:
    """Figures over `count` leads after a warm-up of other ones."""
    events = [_event(body) for body in bodies(count + _WARM)]
    mapping = load_source_mapping("api")
    seconds: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    half = 0
    for start in range(0, len(events), 500):
        batch = events[start : start + 500]
        began = time.perf_counter()
        mapped = [map_event(raw, mapping=mapping) for raw in batch]
        middle = time.perf_counter()
        normalized = [normalize_lead(lead, default_region="US") for lead in mapped if isinstance(lead, Lead)]
        end = time.perf_counter()
        for lead in normalized:
            outcomes[type(lead).__name__] += 1
            if isinstance(lead, Lead):
                keys_of(evidence_of(lead))
                lead.person_id = lead.event_id
        keyed = time.perf_counter()
        touches = [touch_of(lead) for lead in normalized if isinstance(lead, Lead)]
        attributed = time.perf_counter()
        assert touches
        if start >= _WARM:
            seconds["map"] += middle - began
            seconds["normalize"] += end - middle
            seconds["evidence"] += keyed - end
            seconds["attribute"] += attributed - keyed
        if start >= len(events) // 2 and not half:
            half = _peak()
    both = seconds["map"] + seconds["normalize"]
    return {
        "leads": count,
        "per_second": round(count / both),
        "microseconds": {stage: round(total / count * 1e6, 1) for stage, total in seconds.items()},
        "memory_growth_mb": round((_peak() - half) / 1024, 1),
        "outcomes": dict(outcomes),
    }


def _event(body: bytes) -> RawEvent:
    return RawEvent(
        event_id=new_id(),
        brand="default",
        source="api",
        lane="bulk",
        received_at=_RECEIVED,
        occurred_at=None,
        envelope=Envelope(content_type="application/json", body=body),
    )


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
