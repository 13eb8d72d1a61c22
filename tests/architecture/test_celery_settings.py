"""Celery accepts misspelt settings in silence, so they are refused here: names, queues, tasks, order of limits."""

from __future__ import annotations

import inspect
import re
import runpy
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import pytest
import yaml
from celery.app.defaults import NAMESPACES, flatten
from kombu.transport.redis import Channel
from redbeat.schedulers import RedBeatConfig

from pipeline.app import app
from pipeline.lanes import (
    DELIVER_QUEUES,
    FETCH_QUEUE,
    LANES,
    NODES,
    OPERATIONS_QUEUE,
    POLL_QUEUE,
    QUEUES,
    WEBHOOK_QUEUE,
)
from tests.support.paths import ROOT

CELERY_NAMES = {name for name, _ in flatten(NAMESPACES)}
REDBEAT_NAMES = set(re.findall(r"'(redbeat_\w+)'", inspect.getsource(RedBeatConfig)))
TRANSPORT_NAMES = set(Channel.from_transport_options)


def settings_of_celeryconfig() -> dict[str, Any]:
    def is_setting(name: str, value: object) -> bool:
        return not (name.startswith("_") or name == "annotations" or callable(value) or isinstance(value, ModuleType))

    found = runpy.run_path(str(ROOT / "celeryconfig.py"))
    return {name: value for name, value in found.items() if is_setting(name, value)}


def problems_of(config: Mapping[str, Any]) -> list[str]:
    """Sentences about everything in `config` that Celery would ignore, refuse late or act upon too early."""
    found = [
        f"{name} is not a setting of Celery or RedBeat" for name in config if name not in CELERY_NAMES | REDBEAT_NAMES
    ]
    transport = config["broker_transport_options"]
    found += [
        f"broker_transport_options: kombu does not read {name}" for name in transport if name not in TRANSPORT_NAMES
    ]
    queues = {queue.name for queue in config["task_queues"]}
    if config["task_default_queue"] not in queues:
        found.append("task_default_queue is not among task_queues")
    found += [
        f"task_routes[{pattern!r}] names no queue of task_queues"
        for pattern, route in config["task_routes"].items()
        if route["queue"] not in queues
    ]
    for name, entry in config["beat_schedule"].items():
        if "expires" not in entry.get("options", {}):
            found.append(f"beat_schedule[{name!r}] does not expire: a night without workers would pile it up")
    limits = (config["task_soft_time_limit"], config["task_time_limit"], transport["visibility_timeout"])
    if sorted(set(limits)) != list(limits):
        found.append("soft limit < hard limit < visibility_timeout does not hold: tasks would run twice at once")
    return found


SPOILERS = {
    "a misspelt name": {"task_ack_late": True},
    "a misspelt transport option": {"broker_transport_options": {"visibility_timeout": 900, "visibilty": 1}},
    "a default queue nobody declares": {"task_default_queue": "celery"},
    "a route to a queue nobody declares": {"task_routes": {"ops.*": {"queue": "opps"}}},
    "a schedule that does not expire": {"beat_schedule": {"sweep": {"task": "ops.sweep", "schedule": 2.0}}},
    "a visibility shorter than a task": {"broker_transport_options": {"visibility_timeout": 60}},
}


def test_celery_knows_every_setting_and_every_queue_is_declared():
    assert problems_of(settings_of_celeryconfig()) == []


@pytest.mark.parametrize("spoiled", SPOILERS.values(), ids=SPOILERS.keys())
def test_a_wrong_setting_is_found(spoiled):
    assert len(problems_of(settings_of_celeryconfig() | spoiled)) == 1


def test_the_decision_about_celery_gives_a_reason_for_every_setting():
    page = (ROOT / "docs/decisions/0003-celery-on-redis.md").read_text(encoding="utf-8")
    assert [name for name in settings_of_celeryconfig() if f"`{name}`" not in page] == []


def test_routes_and_schedule_name_tasks_that_exist():
    app.loader.import_default_modules()
    names = set(app.tasks)
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    routed = {pattern for pattern in app.conf.task_routes if not pattern.endswith("*")}
    assert (scheduled | routed) - names == set()


def test_every_declared_queue_has_a_node_under_up_and_every_node_a_declared_queue():
    consumed = {queue for _, queues, _ in NODES for queue in queues}
    assert consumed == declared_queues()


def test_several_feeds_are_read_side_by_side_so_that_a_slow_one_holds_nobody():
    (processes,) = [count for _, queues, count in NODES if "pull" in queues]
    assert processes is not None
    assert processes >= 4
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    command = compose["services"]["worker-pull"]["command"]
    assert int(command[command.index("-c") + 1]) == processes


def test_every_declared_queue_has_a_service_in_compose_and_every_service_a_declared_queue():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    commands = [str(service.get("command", "")) for service in compose["services"].values()]
    consumed = {
        name
        for group in _matches(r"""(?:-Q|--queues)["']?[\s,=]+["']?([a-z_]+(?:,[a-z_]+)*)""", commands)
        for name in group.split(",")
    }
    assert consumed == declared_queues()


def test_every_queue_that_code_sends_to_is_declared():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "pipeline").rglob("*.py")]
    named = set(_matches(r"""queue\s*=\s*["']([a-z_]+)["']""", sources))
    named |= {name for line in _matches(r"queue = (.+)", sources) for name in re.findall(r'"([a-z_]+)"', line)}
    assert named == set(), "queues are named in pipeline/lanes.py and nowhere else"
    assert set(QUEUES) == declared_queues()
    assert {*LANES, *DELIVER_QUEUES.values(), POLL_QUEUE, WEBHOOK_QUEUE, FETCH_QUEUE, OPERATIONS_QUEUE} == set(QUEUES)


def declared_queues() -> set[str]:
    return {queue.name for queue in app.conf.task_queues}


def _matches(pattern: str, texts: Iterable[str]) -> list[str]:
    return [match for text in texts for match in re.findall(pattern, text)]
