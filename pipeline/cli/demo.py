"""`make run`: the whole system once through, on the sample leads of `samples/`, in a folder of its own.

It uses what a user has: `afluente up`, the receiver over HTTP, `afluente import`, the exports. Nothing of the
surroundings is used (no afluente.yaml, no AFLUENTE_* variable), so no sample lead can reach a real CRM.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import Any

import requests

from connectors.kit.folders import find_file
from connectors.kit.registry import shipped_sources, sources
from connectors.kit.sources.declarations import Connector, Poll
from connectors.kit.sources.samples import Sample, samples_of, served_samples
from pipeline.authoring.rehearsal import send
from pipeline.cli.commands.balance import print_balance
from pipeline.cli.terminal.output import print_line
from pipeline.errors import AfluenteError
from pipeline.inspection.names import find_instance
from pipeline.settings.loading import settings
from pipeline.supervisor.child_process import launch_command
from pipeline.supervisor.data_folder import hold_folder, stop_leftovers
from pipeline.supervisor.log_files import log_tail, open_log
from pipeline.values.counting import count_people

FOLDER = Path(".run")
_READY_SECONDS = 180.0  # a cold, busy machine; a warm one needs five
_ENDED_SECONDS = 120.0
_STOP_SECONDS = 60.0
_AFLUENTE = Path(sys.executable).with_name("afluente")


class DemoFailedError(AfluenteError):
    """The run did not end as it must. The message says what was seen."""


def _config() -> str:
    """A source is polled only where the configuration mentions it. Without an address the sandbox plays it."""
    polled = [slug for slug, connector in shipped_sources().items() if isinstance(connector.intake, Poll)]
    return "sources:\n" + "".join(f"  {slug}: {{every_seconds: 2}}\n" for slug in polled)


def run_demo(folder: Path = FOLDER) -> int:
    """Run everything once. Returns 0 only if the balance holds and every sample lead has ended and was delivered."""
    data = folder.resolve()
    began = time.monotonic()
    try:
        _empty(data)
        _isolate(data)
        with _system(data) as address:
            _say(f"ready after {time.monotonic() - began:.0f} s: {address}")
            sent = _send_samples(address)
            balance = _wait_ended(sent)
            is_whole = _report(balance)
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
    (data / "afluente.yaml").write_text(_config(), encoding="utf-8")


def _isolate(data: Path) -> None:
    """From here on this process and what it starts know this installation only."""
    for name in [name for name in os.environ if name.startswith("AFLUENTE_")]:
        del os.environ[name]
    os.environ.update(AFLUENTE_DATA=str(data), AFLUENTE_CONFIG=str(data / "afluente.yaml"))
    settings.cache_clear()


@contextmanager
def _system(
    data: Path,
) -> Iterator[str]:
    """`afluente up` until the end of the block. Yields the receiver's address."""
    log = open_log(data, "up")
    command = [str(_AFLUENTE), "up", "--data", str(data), "--port", "0"]
    try:
        process = subprocess.Popen(
            launch_command(command, death_signal="TERM"), stdout=subprocess.PIPE, stderr=log, text=True
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


def _send_samples(address: str) -> Counter[str]:
    """Every sample, the way its source sends it. Returns how many leads each source must come to hold at least."""
    expected: Counter[str] = Counter()
    for slug, connector in sources().items():
        sent = [_send(connector, sample, address) for sample in samples_of(slug)]
        expected[slug] = sum(leads for leads, _ in sent)
        ways = Counter(way for _, way in sent if way)
        _say(f"  {slug:<20} {', '.join(f'{count} {way}' for way, count in ways.items())}")
    return expected


def _send(connector: Connector, sample: Sample, address: str) -> tuple[int, str]:
    """How many leads the sample holds at least, and the way it went; no way for one that nobody sends."""
    if isinstance(connector.intake, Poll):
        is_served = sample in served_samples(sample.source)
        return (1, "served by the sandbox, to be polled") if is_served else (0, "")
    if sample.file_name is not None:
        path = find_file(f"samples/{sample.source}/{sample.file_name}")
        report = _json("import", str(path), "--source", sample.source)
        accepted = int(report["accepted"]) + int(report["repeated"])
        return accepted, f"imported: {accepted} rows from a file"
    answer = send(find_instance(sample.source), sample, address)  # what `afluente source send` does
    if not answer.ok:
        raise DemoFailedError(f"the sample {sample.source}/{sample.name} was refused: {answer.status} {answer.answer}")
    signature = getattr(connector.intake, "signature", None)
    proof = "" if signature is None else f", proven by {type(signature).__name__}"
    return 1, f"posted to {answer.url.removeprefix(address)}{proof}"


def _wait_ended(sent: Counter[str]) -> dict[str, Any]:
    """Until every source holds what it was sent and nothing is under way. Returns the balance."""
    deadline = time.monotonic() + _ENDED_SECONDS
    while True:
        balance = _json("balance")
        held = {slug: counts["accepted"] for slug, counts in balance["sources"].items()}
        missing = [slug for slug, count in sent.items() if count and not held.get(slug)]
        under_way = balance["all"]["pending"] + balance["all"]["in_flight"]
        states = Counter(row["state"] for row in _rows("deliveries", "export"))
        undelivered = states["due"] + states["in_flight"]
        if not missing and not under_way and not undelivered:
            return balance
        if time.monotonic() > deadline:
            raise DemoFailedError(
                f"after {_ENDED_SECONDS:.0f} s {under_way} leads have not ended and {count_people(undelivered)}"
                f" {'is' if undelivered == 1 else 'are'} not delivered;"
                f" nothing came from: {', '.join(missing) or 'none missing'}"
            )
        time.sleep(0.3)


def _report(balance: dict[str, Any]) -> bool:
    """Print what went where. True if the balance holds."""
    people = _rows("people", "export")
    wanted = _rows("deliveries", "export")
    delivered = Counter(row["state"] for row in wanted)
    marked = sum(bool(row["merged_into"]) for row in wanted)  # records of people who turned out to be others
    records, written = _ask_sandbox()
    channels = Counter(person["original_channel"] or "Unassigned" for person in people)
    waiting = _json("quarantine", "list")["groups"]
    _say("")
    print_balance(balance)
    _say("accepted = settled + suppressed + quarantined + pending + in flight\n")
    by_channel = re.sub(r"(?<!,) ", "\xa0", _counted(channels))  # a number and its channel stay on one line
    _say(fill(f"people       {len(people)}: {by_channel}", 80, subsequent_indent=" " * 13).replace("\xa0", " "))
    _say(f"deliveries   {_counted(delivered)}")
    _say(f"sandbox CRM  {records} records, {written} writes in batches")
    if waiting:
        reasons: Counter[str] = Counter()
        for group in waiting:
            reasons[group["reason"]] += group["count"]
        _say(f"quarantine   {_counted(reasons)}: samples made to end there")
    is_whole = balance["all"]["difference"] == 0 and records == delivered["sent"] == len(people) + marked
    _say("\nThe balance holds." if is_whole else "\nTHE BALANCE DOES NOT HOLD.")
    return bool(is_whole)


def _ask_sandbox() -> tuple[int, int]:
    """How many records the sandbox CRM holds, and how many calls wrote them."""
    address = _json("status")["addresses"]["sandbox"]
    records = requests.get(f"{address}/_records", timeout=30).json()
    calls = requests.get(f"{address}/_calls", timeout=30).json()["calls"]
    return len(records), sum(call["calls"] for call in calls if call["created"] or call["changed"])


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _run(*arguments: str) -> str:
    done = subprocess.run([str(_AFLUENTE), *arguments], capture_output=True, text=True, timeout=180, check=False)
    if not done.stdout.strip():
        raise DemoFailedError(f"afluente {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _json(*arguments: str) -> dict[str, Any]:
    answer = json.loads(_run(*arguments, "--json"))
    return answer if isinstance(answer, dict) else {}


def _rows(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _run(*arguments, "--format", "jsonl").splitlines()]


def _say(text: str) -> None:
    print_line(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run_demo())
