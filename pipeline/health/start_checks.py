"""What `afluente up` warns of before it says ready: the checks of `doctor` that call nobody and take no time."""

from __future__ import annotations

from pipeline.delivery.writers import connection_to
from pipeline.errors import ConfigurationError
from pipeline.health.connector_checks import check_sources
from pipeline.health.secret_checks import check_secrets
from pipeline.settings.loading import Settings


def find_start_troubles(known: Settings) -> list[str]:
    """What does not stop a start and will not work, as sentences with their remedy. It shows no secret."""
    checks = [*check_secrets(known), *check_sources(known, asks=False)]
    troubles = [f"{check.name}: {check.detail}; {check.remedy}" for check in checks if not check.ok]
    for name, destination in sorted(known.destinations.items()):
        if destination.enabled:
            try:
                connection_to(name, known)
            except ConfigurationError as error:
                troubles.append(f"destination {name}: {error}; what is due for it waits")
    return troubles
