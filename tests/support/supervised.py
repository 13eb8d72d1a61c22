"""`afluente up` with small programs in place of the pipeline's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

# A program notes when it begins and ends in `story`; `deaf` ones ignore SIGTERM.
PROGRAM = """
import signal, sys, time
from pathlib import Path
name, story, ready, deaf = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] == "deaf"
def note(what):
    with story.open("a") as file:
        file.write(f"{what} {name}\\n")
def end(*_):
    note("ends")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else end)
note("begins")
ready.touch()
while True:
    time.sleep(0.05)
"""

SUPERVISOR = """
import json, sys
from pathlib import Path
from pipeline.supervisor import data_folder, supervisor
from pipeline.supervisor.programs import ProgramPlan
from pipeline.settings.loading import settings

data = Path(sys.argv[1])
parts = json.loads(sys.argv[2])
supervisor._STARTING_DEATHS = 3
data_folder.LEFTOVER_SECONDS = 1.0

def plan_programs(settings, addresses, *, workers):
    plans = []
    for name, part in parts.items():
        ready = data / (name + ".is-ready")
        code = part.get("code") or sys.argv[3]
        command = (sys.executable, "-c", code, name, str(data / "story"), str(ready), part.get("mode", "polite"))
        handed = addresses.sockets.get(part.get("socket"))
        command += (str(handed.fileno()),) if handed else ()
        stage, seconds = part.get("stage", 0), part.get("seconds", 5.0)
        plans.append(ProgramPlan(name, command, ready.exists, stage, seconds, socket=handed))
    return plans

supervisor.plan_programs = plan_programs
if sys.argv[4:]:
    from pipeline.cli import main
    sys.argv[1:] = sys.argv[4:]
    main()
sys.exit(supervisor.run_up(data, 0, 2))
"""


class Up:
    def __init__(self, data: Path, parts: dict, *arguments: str, **environment: str) -> None:
        """`arguments`: of the command line, which is left out if there are none."""
        self.data = data
        data.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(data), json.dumps(parts), PROGRAM, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=data,
        )
        self.printed: list[str] = []

    def wait_ready(self) -> Up:
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))
            if line.startswith("ready "):
                return self
        raise AssertionError(self.process.stderr.read())

    def runtime(self) -> dict:
        return json.loads((self.data / "runtime.json").read_text())

    def pid(self, name: str) -> int:
        return next(entry["pid"] for entry in self.runtime()["processes"] if entry["name"] == name)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def story(self) -> list[str]:
        return (self.data / "story").read_text().splitlines()
