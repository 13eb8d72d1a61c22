"""Hints from the background: what is said of one that fails."""

from __future__ import annotations

from structlog.testing import capture_logs

from pipeline.intake import lane_hints
from pipeline.intake.lane_hints import LaneHints


def test_of_a_hint_that_fails_it_is_said_for_which_lane_or_source_it_was(monkeypatch):
    def fail(*_):
        raise ValueError

    monkeypatch.setattr(lane_hints, "hint_fetch", fail)
    hints = LaneHints(fail, pause_seconds=0)
    with capture_logs() as logs:
        hints.tell(["hot"], [("meta_lead_ads", "casa")])
        hints.start()
        hints.stop()
    said = [{key: entry.get(key) for key in ("lane", "source", "brand")} for entry in logs]
    assert said == [
        {"lane": "hot", "source": None, "brand": None},
        {"lane": None, "source": "meta_lead_ads", "brand": "casa"},
    ]
