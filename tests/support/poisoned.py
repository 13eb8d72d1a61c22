"""The real Celery app with one planted fault, for test_poison.py: some leads kill their worker or break a stage."""

from __future__ import annotations

import os
import signal

from pipeline import flow, replay
from pipeline.app import app  # noqa: F401 - `celery -A tests.support.poisoned` looks for it here

_normalize_lead = replay.normalize_lead
_file_evidence = flow.file_evidence


def _kill_on_poison(lead, **options):
    if "poison" in str(lead.fields.get("email")):
        os.kill(os.getpid(), signal.SIGKILL)
    return _normalize_lead(lead, **options)


def _break_on_venom(connection, leads, *arguments):
    if any("venom" in str(lead.fields.get("email")) for lead in leads):
        raise LookupError("venom@example.com must not appear in any text")
    return _file_evidence(connection, leads, *arguments)


replay.normalize_lead = _kill_on_poison
flow.file_evidence = _break_on_venom
