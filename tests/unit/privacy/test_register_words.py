"""The register of processing says for how long all is kept, and not what holds for some as if it held for all."""

from __future__ import annotations

import json

from pipeline.privacy.register import register_of
from pipeline.settings.loading import load_settings


def test_rules_that_are_about_some_say_so(tmp_path):
    rules = [
        {"what": "bodies", "after": "90d"},
        {"what": "bodies", "after": "7d", "state": "suppressed"},
        {"what": "people", "after": "3y"},
        {"what": "people", "after": "30d", "start": "withdrawal", "purpose": "marketing"},
        {"what": "people", "after": "60d", "start": "withdrawal"},
        {"what": "touches", "after": "1y", "source": "web_form"},
        {"what": "logs", "after": "30d"},
    ]
    (tmp_path / "afluente.yaml").write_text(json.dumps({"sources": {"api": {}}, "retention": rules}))
    known = load_settings({"AFLUENTE_CONFIG": str(tmp_path / "afluente.yaml")}, data=tmp_path)
    (activity,) = register_of(known).activities
    assert activity.retention == (
        "bodies 90d; bodies 7d if suppressed; people 3y; people 30d after withdrawal of marketing;"
        " people 60d after withdrawal of consent"
    )
