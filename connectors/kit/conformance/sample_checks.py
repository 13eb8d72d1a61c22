"""Are the samples what they must be: told apart, dated, invented, and silent in the logs?"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import orjson

from connectors.kit.conformance.cases import TYPICAL, Case, Trial
from connectors.kit.paths import leaves
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.idempotency import event_id_of, idempotency_digest, occurred_at_of
from connectors.kit.sources.records import UnreadableBody

_ADDRESS = re.compile(r"[^\s@<>\"',;:]{1,64}@([\w.-]{1,253}\w)")  # bounded: samples may hold endless text
_RESERVED = re.compile(r"(?:.*\.)?(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost)", re.IGNORECASE)
# Numbers that regulators keep free for films and examples: nobody is ever called there.
_FICTIONAL = re.compile(
    "|".join(
        (
            r"\+1[2-9]\d{2}55501\d{2}",  # North America
            r"\+44(?:2079460|2920180|2896496|1[13-8][13-8]4960|1[2-6]14960)\d{3}",  # United Kingdom
            r"\+44(?:1632960|7700900|3069990)\d{3}",
            r"\+49(?:3023125|4066969|6990009|8999998|2214710|1713920)\d{2,3}",  # Germany
            r"\+33(?:19900|26191|35301|46571|53649|63998)\d{4}",  # France
            r"\+61(?:[2378](?:5550|7010)\d{4}|491570\d{3})",  # Australia
            r"\+46(?:313900|406280|8465004|980319|70174)\d{2,4}",  # Sweden
        )
    )
)
_TELLING_LENGTH = 5


def event_ids_are_present_and_unique(case: Case) -> list[str]:
    """Where the source has ids, each record of the samples has one of its own."""
    if case.connector.event_id is None:
        return []
    fetch = fetch_of(case.connector)
    seen: set[str] = set()
    problems = []
    for sample in case.ordinary_samples():
        for number, record in enumerate(case.records(sample)):
            if fetch is not None and not fetch.applies_to(record):  # another topic of its webhook
                continue
            event_id = event_id_of(case.connector, record)
            if event_id is None:
                problems.append(f"record {number} of the sample {sample.name} has no id at {case.connector.event_id}")
            elif event_id in seen:
                problems.append(
                    f"record {number} of the sample {sample.name} has the id of another record: event_id must name one"
                    " record, as a later one with the same id takes the place of the earlier"
                )
            else:
                seen.add(event_id)
    return problems


def times_become_aware_utc(case: Case) -> list[str]:
    """The declared time is found in the typical sample and can be read."""
    typical = case.sample(TYPICAL)
    if case.connector.occurred_at is None or typical is None:
        return []
    moments = [occurred_at_of(case.connector, record) for record in case.records(typical)]
    return [
        f"record {number} has no readable time at {case.connector.occurred_at}"
        for number, moment in enumerate(moments)
        if moment is None or moment.tzinfo is not UTC
    ]


def second_delivery_is_recognized(case: Case) -> list[str]:
    """The same record again, or with its keys in another order, has the same key; another record has another."""
    problems = []
    for sample in case.ordinary_samples():
        digests = set()
        for number, record in enumerate(case.records(sample)):
            place = f"record {number} of the sample {sample.name}"
            digest = idempotency_digest(case.connector, record)
            if digest != idempotency_digest(case.connector, _reordered(record)):
                problems.append(f"{place}: another order of keys gives another idempotency key")
            if digest in digests:
                problems.append(f"{place}: has the idempotency key of another record")
            digests.add(digest)
    return problems


def sample_people_are_invented(case: Case) -> list[str]:
    """Addresses at reserved domains, numbers from ranges nobody is called at: samples are public and get sent."""
    problems = []
    texts = {sample.name: sample.body + orjson.dumps(sample.fetched) for sample in case.samples}
    texts |= {f"pulled/{pulled.name}": orjson.dumps([pulled.answer, pulled.parents]) for pulled in case.pulled}
    for name, body in texts.items():
        text = body.decode(errors="replace").replace("%40", "@")
        problems += [
            f"the sample {name} has an address at {domain}; use example.com, example.org or example.net"
            for domain in dict.fromkeys(_ADDRESS.findall(text))
            if not _RESERVED.fullmatch(domain)
        ]
    for sample in case.ordinary_samples():
        for number, trial in enumerate(case.trials(sample)):
            lead = trial.lead or {}
            phones = [lead.get("phone"), *(lead.get("other_phones") or []), lead.get("whatsapp_id")]
            if any(isinstance(phone, str) and not _FICTIONAL.fullmatch(phone) for phone in phones if phone):
                problems.append(
                    f"record {number} of the sample {sample.name} has a phone that may be somebody's;"
                    " use +1 202-555-01xx or +44 20 7946 0xxx"
                )
    return problems


def no_sample_value_is_logged(case: Case) -> list[str]:
    """Neither logs nor messages of quarantine hold a value of the lead."""
    problems = []
    for sample in case.samples:
        with _log_lines() as lines:
            try:
                trials = case.trials(sample)
            except UnreadableBody as error:
                trials = [Trial(message=str(error))]
        written = "\n".join([*lines, *(trial.message for trial in trials)])
        told = leaves([trial.lead for trial in trials])
        values = {value for value in told if isinstance(value, str) and len(value) >= _TELLING_LENGTH}
        values |= {match[0] for match in _ADDRESS.finditer(sample.body.decode(errors="replace"))}
        if any(value in written for value in values):
            problems.append(f"a value of the sample {sample.name} is in the logs or in a message")
    return problems


@contextmanager
def _log_lines() -> Iterator[list[str]]:
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    collector, root = Collector(level=0), logging.getLogger()
    level = root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(collector)
        root.setLevel(level)


def _reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in reversed(list(value))}
    return [_reordered(entry) for entry in value] if isinstance(value, list) else value
