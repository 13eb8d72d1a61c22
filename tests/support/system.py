"""A whole Afluente in a folder of its own, for benchmarks and end-to-end tests: started by its own command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.support.paths import ROOT

AFLUENTE = str(Path(sys.executable).with_name("afluente"))
API_KEY = "end-to-end-key"


class System:
    """`afluente up` as a child process. `root` is another checkout, where a test writes into one.

    `asks_here` calls the command line in this process: a process for each question takes a second of the processor that
    the system needs. It is for one thread, and for the checkout that this process runs from.
    """

    def __init__(
        self,
        data: Path,
        *,
        environment: dict[str, str] | None = None,
        workers: int | None = None,
        root: Path = ROOT,
        asks_here: bool = False,
    ) -> None:
        self.data = data
        self.root = root
        self.asks_here = asks_here
        self.environment = {
            **os.environ,
            "AFLUENTE_DATA": str(data),
            "AFLUENTE_API_KEYS": f"tests:admin:{API_KEY}",
            "AFLUENTE_CONFIG": str(data / "afluente.yaml"),
            "PYTHONPATH": str(root),
            **(environment or {}),
        }
        data.mkdir(parents=True, exist_ok=True)
        config = Path(self.environment["AFLUENTE_CONFIG"])
        if not config.exists():
            config.write_text("{}\n")
        self.workers = workers
        self.process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self, *, timeout: float = 180) -> Self:
        command = [AFLUENTE, "up", "--port", str(_free_port())]
        if self.workers:
            command += ["--workers", str(self.workers)]
        errors = (self.data / "up.err").open("a")
        self.process = subprocess.Popen(
            command, cwd=self.root, env=self.environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        deadline = time.monotonic() + timeout
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), True)
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.address = line.split()[1]
                return self
            if time.monotonic() > deadline:
                break
        self.kill()
        raise RuntimeError(f"up did not get ready:\n{(self.data / 'up.err').read_text()[-4000:]}")

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    def stop(self, *, timeout: float = 60) -> int:
        """SIGTERM and wait. Returns the exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self._close()
        return code

    def kill(self) -> None:
        """SIGKILL to `up` alone, as an out-of-memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self._close()

    def _close(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None

    def cli(self, *arguments: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        done = self._call_here(arguments) if self.asks_here else self._call(arguments, timeout)
        if check and done.returncode != 0:
            raise RuntimeError(f"{arguments}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def _call(self, arguments: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AFLUENTE, *arguments],
            cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def _call_here(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        from tests.support.command_line import run

        return run(*arguments, environment=self.environment)

    def json(self, *arguments: str) -> Any:
        done = self.cli(*arguments, "--json", check=False)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise RuntimeError(f"{arguments}: exit {done.returncode}, no JSON\n{done.stderr[-3000:]}") from None

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        text = self.cli(*arguments, "--format", "jsonl").stdout
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def sandbox(self, path: str, body: Any = None) -> Any:
        base = self.json("status")["addresses"]["sandbox"]
        answer = requests.get(base + path, timeout=60) if body is None else requests.post(
            base + path, json=body, timeout=60
        )  # fmt: skip
        answer.raise_for_status()
        return answer.json()

    def wait_until_ended(self, *, timeout: float = 120) -> dict[str, Any]:
        """Until nothing is pending, in flight or due. Returns the balance of all sources."""
        deadline = time.monotonic() + timeout
        while True:
            found: dict[str, Any] = self.json("balance")["all"]
            states = {row["state"] for row in self.lines("deliveries", "export")}
            if not found["pending"] and not found["in_flight"] and not states & {"due", "in_flight"}:
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {timeout} s: {found}, deliveries {states}")
            time.sleep(0.5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
