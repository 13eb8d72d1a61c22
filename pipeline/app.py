"""Composition root: the Celery app. Operators run `celery -A pipeline.app …`."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
from types import ModuleType
from typing import Any

from celery import Celery, signals

from connectors.kit.folders import shipped_folder
from pipeline.errors import ConfigurationError
from pipeline.logs import configure_logging
from pipeline.messages import register_serializer
from pipeline.settings.loading import settings

_BULK_NICENESS = 5
_NODES_WITHOUT_LEADS = ("pull", "ops")  # they take in and look after; nothing of the chain runs there


def _read_celery_settings() -> ModuleType:
    """The shipped celeryconfig.py, found by its path: Celery would take that name for the current folder's file."""
    spec = importlib.util.spec_from_file_location("afluente_celeryconfig", shipped_folder() / "celeryconfig.py")
    if spec is None or spec.loader is None:
        raise ConfigurationError("celeryconfig.py of this installation cannot be loaded: install it anew")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


for _name in ("BROKER_URL", "BROKER_READ_URL", "BROKER_WRITE_URL", "RESULT_BACKEND", "LOADER"):
    os.environ.pop(f"CELERY_{_name}", None)  # of another project: Celery would take them before any setting of ours

register_serializer()

# Without fix-ups: Django's would load the project that DJANGO_SETTINGS_MODULE names, whoever's that is.
app = Celery("afluente", include=["pipeline.tasks"], fixups=[])
app.config_from_object(_read_celery_settings())


@signals.setup_logging.connect
def _use_our_logging(**_: Any) -> None:
    configure_logging(settings().log_format)
    # Two lines a task, and one for each that beat sends; Flower shows the same, better.
    for chatty in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


@signals.worker_process_init.connect
def _collect_garbage_seldom(**_: Any) -> None:
    """A batch is a few thousand small objects without cycles; looking through all of them at every few hundred
    allocations took a fifth of a worker's time. What was imported is never garbage: it is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@signals.worker_init.connect
def _read_rules(**_: Any) -> None:
    """Before it forks: processes that take the place of others later go by the same rules, whatever the files say by
    then. A worker without rules would take leads and settle none: it ends here, and they wait for another one."""
    from connectors.kit.registry import sources
    from pipeline.settings.set_up_sources import mapping_name
    from pipeline.stages.mappings_in_force import read_mappings
    from pipeline.startup.rule_files import read_rules_in_force

    try:
        read_rules_in_force()
    except ConfigurationError as error:
        # Celery would log any other exception of a signal's receiver and start all the same.
        raise SystemExit(f"the worker does not start: {error}") from error
    known = settings()
    read_mappings(
        sorted({mapping_name(known, name) for name in {*sources(), *known.sources}}),
        sorted({destination.mapping_name for destination in known.destinations.values()}),
    )


def _node_of(sender: Any) -> str:
    """As `lanes` names it: Celery's name of a worker is `hot@host`."""
    return str(sender.hostname).partition("@")[0]


@signals.worker_init.connect
def _meet_everything_once(sender: Any, **_: Any) -> None:
    """Before it forks, after the rules are read: else each process does at its first lead what one can do for all."""
    from pipeline.startup.warm_up import warm_up

    if _node_of(sender) not in _NODES_WITHOUT_LEADS:
        warm_up(settings())


@signals.worker_init.connect
def _let_hot_leads_go_first(sender: Any, **_: Any) -> None:
    """On a busy machine the bulk node yields: lanes have queues and nodes of their own, but share the processors."""
    if _node_of(sender) == "bulk":
        os.nice(_BULK_NICENESS)


@signals.worker_ready.connect
def _mark_ready(sender: Any, **_: Any) -> None:
    """Leave a file that says this node consumes: cheaper to look at than a broadcast, and true without pub/sub."""
    folder = settings().data / "run"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{_node_of(sender)}.ready").touch()


@signals.worker_shutdown.connect
def _mark_gone(sender: Any, **_: Any) -> None:
    (settings().data / "run" / f"{_node_of(sender)}.ready").unlink(missing_ok=True)
