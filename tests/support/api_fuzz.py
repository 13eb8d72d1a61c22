"""Schemathesis against a receiver that runs: requests made from its own description, good and bad ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

# Left out is what this API does on purpose: leads with fields it does not know and values of wrong types are taken and
# reported, so a request beyond the schema is no fault of the receiver.
_LEFT_OUT = "negative_data_rejection,positive_data_acceptance"
_STEPS_SECONDS = 120.0  # beyond the time given: reading the description, the last step, the reports


class Fuzzed(NamedTuple):
    """`answers` counts statuses by operation; `failures` are sentences: operation, fault, status, how often."""

    answers: dict[str, Counter[int]]
    failures: list[str]

    @property
    def requests(self) -> int:
        return sum(counts.total() for counts in self.answers.values())


def fuzz(address: str, key: str, *, seconds: float) -> Fuzzed:
    """Ask everything that `/openapi.json` describes for `seconds`, with an API key and without."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "events.ndjson")
        done = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json",
                "--header", f"Authorization: Bearer {key}", "--max-time", f"{seconds:g}", "--seed", "1",
                "--phases", "coverage,fuzzing", "--max-examples", "100000", "--continue-on-failure",
                "--exclude-checks", _LEFT_OUT, "--suppress-health-check", "all", "--warnings", "off",
                "--generation-database", "none", "--request-timeout", "30", "--no-color",
                "--report", "ndjson", "--report-ndjson-path", str(report),
            ],
            cwd=folder, env={**os.environ, "PYTHONUTF8": "1"},
            capture_output=True, text=True, timeout=seconds + _STEPS_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 1) or not report.exists():
            raise RuntimeError(f"schemathesis: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return _read(report)


def _read(report: Path) -> Fuzzed:
    answers: dict[str, Counter[int]] = {}
    failures: Counter[str] = Counter()
    with report.open(encoding="utf-8") as lines:
        for line in lines:
            recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder")
            if recorder:
                _count(recorder, answers, failures)
    return Fuzzed(answers, [f"{failure} ({count} times)" for failure, count in failures.most_common()])


def _count(recorder: dict[str, Any], answers: dict[str, Counter[int]], failures: Counter[str]) -> None:
    statuses: dict[str, int | None] = {}
    counts = answers.setdefault(recorder["label"], Counter())
    for case_id, interaction in recorder["interactions"].items():
        response = interaction["response"]
        statuses[case_id] = None if response is None else response["status_code"]
        if response is not None:
            counts[response["status_code"]] += 1
    for case_id, checks in recorder["checks"].items():
        for check in checks:
            if check["status"] == "failure":
                failure = check["failure_info"]["failure"]
                said = f"{failure['title']}: {failure.get('message') or ''}".strip().splitlines()[0]
                failures[f"{recorder['label']}: {said} [{statuses.get(case_id)}]"] += 1
