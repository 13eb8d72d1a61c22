"""Lanes, queues and worker nodes, written once: which work may wait for which.

A lane is how urgent a lead is: `hot` for people who wait (a demo request, a chat), `bulk` for files, newsletters and
backfills. Each lane has a queue of its own for the chain and one for deliveries, and nodes of their own: a million-row
import never delays a demo request. Names are kept for good: rows, queued messages and compose files hold them.
"""

from __future__ import annotations

HOT = "hot"
BULK = "bulk"
LANES = (HOT, BULK)  # the more urgent one first

# Thousands of rows at once would stand in the way of every demo request, whatever the source they are said to be of.
FILE_LANE = BULK
# Why a row goes by its lane, as its event keeps it (`lane_by` of what is known of its request). What comes in by other
# ways goes by the lane of its source.
LANE_BY_FILE, LANE_BY_OPTION = "file", "option"

DELIVER_QUEUES = {HOT: "deliver_hot", BULK: "deliver"}  # a lane's chain goes to the queue of the lane's name
POLL_QUEUE = "pull"  # kept although the code says poll: docs/decisions/0019-names-kept.md
WEBHOOK_QUEUE = "webhooks"
FETCH_QUEUE = "fetch"  # records of which ids came: calls of others' APIs, so never in front of a chain
OPERATIONS_QUEUE = "ops"
QUEUES = (*LANES, *DELIVER_QUEUES.values(), POLL_QUEUE, WEBHOOK_QUEUE, FETCH_QUEUE, OPERATIONS_QUEUE)

# Node, queues, pool processes (None: as many as `--workers` says). A lane's work never waits behind another's.
NODES: tuple[tuple[str, tuple[str, ...], int | None], ...] = (
    ("hot", (HOT, DELIVER_QUEUES[HOT]), 2),
    ("bulk", (BULK,), None),
    ("deliver", (DELIVER_QUEUES[BULK],), 2),
    ("pull", (POLL_QUEUE, WEBHOOK_QUEUE, FETCH_QUEUE), 4),
    ("ops", (OPERATIONS_QUEUE,), 1),
)
