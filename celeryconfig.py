"""Celery's own settings: queues, routes, beat schedule, serializers; nothing else.

Each value follows from docs/decisions/0003-celery-on-redis.md. A test rejects keys that Celery does not know, because
Celery itself accepts typos silently.
"""

from __future__ import annotations

from kombu import Queue

from pipeline import lanes
from pipeline.settings.loading import settings

_settings = settings()
_HARD_LIMIT_SECONDS = 300
_VISIBILITY_SECONDS = 900  # hard limit plus a wide margin: rows bring lost work back long before Redis does

broker_url = _settings.broker_url
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # a broker that is away must not end a worker: rows wait
broker_transport_options = {
    "visibility_timeout": _VISIBILITY_SECONDS,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,  # kombu leaves it out for Unix sockets
    "health_check_interval": 20,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "priority_steps": [0],  # no priorities: lanes have queues and nodes of their own
    "client_name": "afluente",
}

# A message is a hint to rows: lost or doubled it changes nothing, so results and canvas counters are not kept.
task_ignore_result = True
result_backend = None
task_serializer = "afluente"  # msgpack with sealed batches, registered in pipeline/app.py
event_serializer = "json"
result_serializer = "json"
accept_content = ["afluente", "json"]  # json: remote control and Flower

task_acks_late = True
task_acks_on_failure = True
task_acks_on_timeout = True
task_reject_on_worker_lost = False  # the lease brings the events back, halved; a re-queued poison batch would loop
worker_prefetch_multiplier = 1
worker_disable_rate_limits = True
worker_hijack_root_logger = False
worker_send_task_events = True  # batches, not leads, are tasks: Flower's picture costs little
task_send_sent_event = False  # a fourth event per task, for a state that lasts a millisecond
worker_max_tasks_per_child = 2000
worker_max_memory_per_child = 400_000  # KiB
worker_cancel_long_running_tasks_on_connection_loss = False  # every write is fenced by its claim
worker_soft_shutdown_timeout = 20
worker_enable_soft_shutdown_on_idle = True
task_soft_time_limit = 240
task_time_limit = _HARD_LIMIT_SECONDS
task_publish_retry_policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.4}

timezone = "UTC"
enable_utc = True

task_create_missing_queues = False  # a misspelt queue fails at the sender
task_default_queue = lanes.OPERATIONS_QUEUE
task_queues = [Queue(name, routing_key=name) for name in lanes.QUEUES]
# Chain steps and deliveries name their queue when they are sent, because a lane has its own; the rest is here.
task_routes = {
    "sources.pull": {"queue": lanes.POLL_QUEUE},
    "sources.reconcile": {"queue": lanes.POLL_QUEUE},
    "destinations.read_consents": {"queue": lanes.POLL_QUEUE},
    "sources.fetch": {"queue": lanes.FETCH_QUEUE},
    "webhooks.send": {"queue": lanes.WEBHOOK_QUEUE},
    "mails.*": {"queue": lanes.WEBHOOK_QUEUE},  # a mail server that hangs must not hold up `ops`
    "ops.*": {"queue": lanes.OPERATIONS_QUEUE},
}

beat_scheduler = "redbeat.RedBeatScheduler"
redbeat_redis_url = _settings.broker_url.replace("redis+socket://", "unix://")
redbeat_redis_options: dict[str, str] = {}  # its fallback to the transport options goes in RedBeat 2.5
redbeat_key_prefix = "afluente:beat:"
redbeat_lock_timeout = 25  # five ticks: a late one must not end beat
beat_max_loop_interval = 5
beat_schedule = {
    "sweep": {"task": "ops.sweep", "schedule": _settings.tuning.sweep_seconds, "options": {"expires": 30}},
    "poll": {"task": "ops.poll", "schedule": 5.0, "options": {"expires": 30}},
    "watch": {"task": "ops.watch", "schedule": 60.0, "options": {"expires": 50}},
    "mails": {"task": "mails.send", "schedule": 60.0, "options": {"expires": 50}},
    "retain": {"task": "ops.retain", "schedule": 900.0, "options": {"expires": 600}},
    "maintain": {"task": "ops.maintain", "schedule": 3600.0, "options": {"expires": 600}},
}
