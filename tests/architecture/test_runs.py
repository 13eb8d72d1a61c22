"""What the short and the long run of the suite promise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

PROBE = """
import pytest
from hypothesis import given, settings, strategies as st
from tests.support.properties import examples
drawn = {"usual": 0, "own": 0}
@given(st.floats())
def test_usual(number): drawn["usual"] += 1
@settings(max_examples=examples(60))
@given(st.floats())
def test_own(number): drawn["own"] += 1
def test_count(): print("drawn", drawn["usual"], drawn["own"])
@pytest.mark.skip(reason="no such machine")
def test_skipped(): pass
"""


@pytest.mark.long
@pytest.mark.parametrize(("profile", "drawn"), [("short", "drawn 25 15"), ("long", "drawn 100 60")])
def test_each_run_takes_its_number_of_examples_and_ends_with_what_was_not_run(tmp_path, profile, drawn):
    probe = tmp_path / "test_probe.py"
    probe.write_text(PROBE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", tmp_path,
         "--import-mode=importlib", "--hypothesis-profile", profile, probe],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert drawn in done.stdout
    assert done.stdout.splitlines()[-1] == "Not run here: 1 test: no such machine"
