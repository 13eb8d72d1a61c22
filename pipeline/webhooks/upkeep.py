"""What the schedule does for outgoing webhooks: find what is due whatever became of its hint, and forget the past."""

from __future__ import annotations

from pipeline.logs import get_logger
from pipeline.settings.declarations import WebhookPolicy
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.webhooks import endpoints, messages
from pipeline.webhooks.endpoints import declare_endpoints

_ELSE_DAYS = WebhookPolicy().keep_days  # of endpoints that are none any more
_log = get_logger(__name__)


def sweep_webhooks() -> bool:
    """Make the settings' endpoints known, take back what lost its sender, hold and release; True if anything is due."""
    declare_endpoints()
    with transaction() as connection:
        lost = messages.sweep_messages(connection)
        due = endpoints.due_endpoints(connection)
    if lost:
        _log.warning("webhook_senders_lost", messages=lost)
    return bool(due)


def purge_webhooks() -> int:
    """Forget ended messages after `keep_days`; gives how many."""
    known = settings()
    with transaction() as connection:
        hooks = endpoints.read_endpoints(connection, is_hook=True)
        keep_days = {name: entry.keep_days for name, entry in known.webhooks.items()}
        keep_days |= {hook.name: known.hooks.keep_days for hook in hooks}
        return messages.purge_messages(connection, keep_days, else_days=_ELSE_DAYS)
