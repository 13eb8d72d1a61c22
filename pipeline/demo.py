"""`make run`: the whole system once through, on the sample leads of `samples/`, in a folder of its own.

It uses what a user has: `afluente up`, the receiver over HTTP, `afluente import`, the exports. Nothing of the
surroundings is used (no afluente.yaml, no AFLUENTE_* variable), so no sample lead can reach a real CRM.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from connectors.kit.declarations import Connector, File, Poll
from connectors.kit.registry import sources
from connectors.kit.samples import SAMPLES, Sample, samples_of
from pipeline.data_folder import hold_folder, stop_leftovers
from pipeline.errors import AfluenteError
from pipeline.server_process import launch_command, log_tail, open_log

FOLDER = Path(".run")
_READY_SECONDS = 180.0  # a cold, busy machine; a warm one needs five
_ENDED_SECONDS = 120.0
_STOP_SECONDS = 60.0
_AFLUENTE = Path(sys.executable).with_name("afluente")

_console = Console(highlight=False, soft_wrap=True)


class DemoFailedError(AfluenteError):
    """The run did not end as it must. The message says what was seen."""


# The sandbox serves the feed; a source is polled only where the configuration mentions it.
_CONFIG = "sources: {json_feed: {every_seconds: 2}}\n"


def run_demo(folder: Path = FOLDER) -> int:
    """Run everything once. Returns 0 only if the balance holds and every sample lead has ended and was delivered."""
    data = folder.resolve()
    began = time.monotonic()
    try:
        _empty(data)
        environment = _environment(data)
        with _system(data, environment) as address:
            _say(f"ready after {time.monotonic() - began:.0f} s: {address}")
            sent = _send_samples(environment, address)
            balance = _wait_ended(environment, sent)
            is_whole = _report(environment, balance)
    except (AfluenteError, OSError, requests.RequestException, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"make run: {error}\n")
        return 1
    _say(f"everything is stopped; {time.monotonic() - began:.0f} s in all")
    _say("\nKeep it running:   .venv/bin/afluente up")
    _say("Send a lead:       .venv/bin/afluente source send web_form      (in another terminal)")
    _say("See what happened: .venv/bin/afluente explain ID                (ids: afluente leads export)")
    return 0 if is_whole else 1


def _empty(data: Path) -> None:
    """A fresh folder each time: the second run must show the same as the first."""
    with hold_folder(data):
        stop_leftovers(data)
        for path in data.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
    (data / "afluente.yaml").write_text(_CONFIG, encoding="utf-8")


def _environment(data: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AFLUENTE_")}
    return {**ours, "AFLUENTE_DATA": str(data), "AFLUENTE_CONFIG": str(data / "afluente.yaml")}


@contextmanager
def _system(data: Path, environment: dict[str, str]) -> Iterator[str]:
    """`afluente up` until the end of the block. Yields the receiver's address."""
    log = open_log(data, "up")
    command = [str(_AFLUENTE), "up", "--data", str(data), "--port", "0"]
    try:
        process = subprocess.Popen(
            launch_command(command, death_signal="TERM"), env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    finally:
        os.close(log)
    try:
        yield _read_address(process, data)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise DemoFailedError(f"afluente up ended with code {process.returncode}:\n{log_tail(data, 'up')}")


def _read_address(process: subprocess.Popen[str], data: Path) -> str:
    signal.signal(signal.SIGALRM, lambda *_: process.kill())  # reading a line has no timeout of its own
    signal.setitimer(signal.ITIMER_REAL, _READY_SECONDS)
    try:
        for line in process.stdout or ():
            if line.startswith("ready "):
                return line.split()[1]
            _say(line.rstrip())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    raise DemoFailedError(f"afluente up did not get ready:\n{log_tail(data, 'up')}")


def _send_samples(environment: dict[str, str], address: str) -> Counter[str]:
    """Every sample, the way its source sends it. Returns how many leads each source must come to hold at least."""
    expected: Counter[str] = Counter()
    for slug, connector in sources().items():
        for sample in samples_of(slug):
            expected[slug] += _send(environment, connector, sample, address)
    return expected


def _send(environment: dict[str, str], connector: Connector, sample: Sample, address: str) -> int:
    if isinstance(connector.intake, Poll):
        # The sandbox serves the typical sample; the pipeline asks for it by itself.
        return 1 if sample.name == "typical" else 0
    if isinstance(connector.intake, File):
        path = SAMPLES / sample.source / f"{sample.name}.csv"
        answer = _json(environment, "import", str(path), "--source", sample.source, "--wait")
        accepted = int(answer["accepted"]) + int(answer.get("repeated", 0))
        _say(f"  {sample.source:<20} {sample.name:<14} {accepted} rows from a file")
        return accepted
    answer = _json(environment, "source", "send", sample.source, sample.name, "--url", address)
    _say(f"  {sample.source:<20} {sample.name:<14} {answer['status']} from {answer['url'].removeprefix(address)}")
    if not answer["ok"]:
        raise DemoFailedError(f"the sample {sample.source}/{sample.name} was refused: {answer['answer']}")
    return 1


def _wait_ended(environment: dict[str, str], sent: Counter[str]) -> dict[str, Any]:
    """Until every source holds what it was sent and nothing is under way. Returns the balance."""
    deadline = time.monotonic() + _ENDED_SECONDS
    while True:
        balance = _json(environment, "balance")
        held = {slug: counts["accepted"] for slug, counts in balance["sources"].items()}
        missing = [slug for slug, count in sent.items() if count and not held.get(slug)]
        under_way = balance["all"]["pending"] + balance["all"]["in_flight"]
        states = Counter(row["state"] for row in _rows(environment, "deliveries", "export"))
        undelivered = states["due"] + states["in_flight"]
        if not missing and not under_way and not undelivered:
            return balance
        if time.monotonic() > deadline:
            raise DemoFailedError(
                f"after {_ENDED_SECONDS:.0f} s {under_way} leads have not ended and {undelivered} people are not"
                f" delivered; nothing came from: {', '.join(missing) or 'none missing'}"
            )
        time.sleep(0.3)


def _report(environment: dict[str, str], balance: dict[str, Any]) -> bool:
    """Print what went where. True if the balance holds."""
    _console.print()
    _console.print(_balance_table(balance))
    people = _rows(environment, "people", "export")
    crm_address = _json(environment, "status")["addresses"]["sandbox"]
    records = requests.get(f"{crm_address}/_records", timeout=30).json()
    calls = requests.get(f"{crm_address}/_calls", timeout=30).json()
    delivered = Counter(row["state"] for row in _rows(environment, "deliveries", "export"))
    channels = Counter(person["original_channel"] or "Unassigned" for person in people)
    _say(f"people            {len(people)}, first seen by " + ", ".join(f"{n} {c}" for c, n in channels.most_common()))
    _say("deliveries        " + ", ".join(f"{count} {state}" for state, count in delivered.most_common()))
    _say(f"CRM (sandbox)     {len(records)} records; calls: {json.dumps(calls)}")
    leads = _rows(environment, "leads", "export")
    if leads:
        _say(f"one of the leads  {leads[0]['event_id']} from {leads[0]['source']}: {leads[0]['state']}")
    is_whole = bool(balance["all"]["difference"] == 0) and len(records) == delivered["sent"]
    _say("the balance holds" if is_whole else "THE BALANCE DOES NOT HOLD")
    return is_whole


def _balance_table(balance: dict[str, Any]) -> Table:
    columns = list(balance["all"])
    table = Table("source", title="Balance: accepted = settled + suppressed + quarantined + pending + in flight")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for slug, counts in sorted(balance["sources"].items()):
        table.add_row(slug, *(str(counts[column]) for column in columns))
    table.add_section()
    table.add_row("all", *(str(balance["all"][column]) for column in columns), style="bold")
    return table


def _run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [str(_AFLUENTE), *arguments], env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    if not done.stdout.strip():
        raise DemoFailedError(f"afluente {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _json(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    answer = json.loads(_run(environment, *arguments, "--json"))
    return answer if isinstance(answer, dict) else {}


def _rows(environment: dict[str, str], *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _run(environment, *arguments, "--format", "jsonl").splitlines()]


def _say(text: str) -> None:
    _console.print(text, markup=False)


if __name__ == "__main__":
    sys.exit(run_demo())
