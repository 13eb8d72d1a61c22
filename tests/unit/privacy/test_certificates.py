"""A certificate is read from its top, as docs/privacy-request.md shows it, however it was stored."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pipeline.privacy.erasing.certificates import in_order

PAGE = Path(__file__).parents[3] / "docs/privacy-request.md"


def test_a_certificate_has_its_names_in_the_order_that_the_docs_show():
    (shown,) = re.findall(r"### The certificate\n```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    as_documented = json.dumps(json.loads(shown))
    stored = json.loads(json.dumps(json.loads(shown), sort_keys=True))
    assert json.dumps(stored) != as_documented
    assert json.dumps(in_order(stored)) == as_documented
