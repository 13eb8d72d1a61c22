"""What strangers can cause with each request is logged once a minute, with how often it was left out."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

HEAD = "import logging\nfrom pipeline import logs\nlogs.configure_logging('json')\n"


def logged(program: str) -> list[dict[str, Any]]:
    """What a program of its own logs: this process's loggers are pytest's."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program], capture_output=True, text=True, check=True, timeout=60
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_thousand_bad_request_lines_are_one_line_and_then_a_number():
    said = logged(
        "for _ in range(1000): logging.getLogger('uvicorn.error').warning('Invalid HTTP request received.')\n"
        "logs._PAUSE_SECONDS = 0.0\n"
        "logging.getLogger('uvicorn.error').warning('Invalid HTTP request received.')\n"
    )
    assert [entry["event"] for entry in said] == [
        "Invalid HTTP request received.",
        "Invalid HTTP request received. (999 more like it were left out)",
    ]


def test_a_source_without_its_secret_is_told_once_and_each_source_for_itself():
    said = logged(
        "for _ in range(50):\n"
        "    for source in ('one', 'other'):\n"
        "        logs.get_logger('pipeline.intake').error('request_not_served', source=source, error='no secret')\n"
        "logs._PAUSE_SECONDS = 0.0\n"
        "logs.get_logger('pipeline.intake').error('request_not_served', source='one', error='no secret')\n"
    )
    assert [(entry["source"], entry.get("left_out")) for entry in said] == [("one", None), ("other", None), ("one", 49)]


def test_what_says_something_new_each_time_is_logged_each_time():
    said = logged(
        "for number in range(20):\n"
        "    logs.get_logger('pipeline.flow').warning('chain_ended', claim=str(number))\n"
        "    logging.getLogger('uvicorn.error').info('Started server process')\n"
        "    logging.getLogger('celery').warning('the same')\n"
    )
    assert len(said) == 60
