"""`make run`, without the installing: the whole system once through on the sample leads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from connectors.kit.registry import shipped_sources
from pipeline.supervisor.data_folder import hold_folder
from tests.support.paths import ROOT


def run_demo(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli.demo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_sample_ends_and_everything_is_stopped(tmp_path):
    # What belongs to another installation must not be touched, nor get a sample lead.
    (tmp_path / "afluente.yaml").write_text("destinations: {crm: {kind: salesforce, base_url: https://crm.invalid}}\n")
    done = run_demo(tmp_path, AFLUENTE_DATABASE_URL="postgresql://nobody@db.invalid/leads", AFLUENTE_DATA="/nowhere")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The balance holds." in done.stdout
    for source in shipped_sources():  # once where it is sent, once in the balance
        assert len(re.findall(rf"^ *{source} .*\d", done.stdout, re.MULTILINE)) == 2, source
    for way in ("/v1/leads", "rows from a file", "/in/default/web_form", "proven by HmacSha256", "to be polled"):
        assert way in done.stdout
    folder = str(tmp_path / ".run")
    assert [p for p in psutil.process_iter() if any(folder in word for word in command_line(p))] == []


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_run_beside_another_one_is_refused_and_disturbs_nothing(tmp_path):
    kept = tmp_path / ".run" / "kept"
    with hold_folder(tmp_path / ".run"):
        kept.touch()
        done = run_demo(tmp_path)
    assert done.returncode == 1
    assert f"process {os.getpid()} already runs Afluente" in done.stderr
    assert kept.exists()
