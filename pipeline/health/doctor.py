"""`afluente doctor`: one check per thing that can be wrong with an installation, each with its remedy.

A check never raises and never shows a secret. Checks that need an absent part are left out: its own check says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import ConfigurationError
from pipeline.health.access.checks import check_access
from pipeline.health.checks import Check, failed
from pipeline.health.completeness import check_completeness
from pipeline.health.connector_checks import check_destinations, check_rules, check_sources
from pipeline.health.edges.calls import check_calls
from pipeline.health.edges.certificate import check_certificate
from pipeline.health.edges.listening import check_listening
from pipeline.health.edges.residency import check_residency
from pipeline.health.keys.sealing import check_sealing_keys
from pipeline.health.keys.standings import check_stored_secrets
from pipeline.health.machine_checks import (
    check_disk,
    check_keys,
    check_processes,
    check_receiver_port,
    describe_company_folder,
    describe_settings,
)
from pipeline.health.privacy.crm_consents import check_crm_consents
from pipeline.health.privacy.notices import check_privacy
from pipeline.health.request_checks import check_requests
from pipeline.health.secret_checks import check_secrets
from pipeline.health.service_checks import check_clocks, check_database, check_redis, check_revisions
from pipeline.health.silence.notices import check_silence
from pipeline.health.subscriptions.notices import check_subscriptions
from pipeline.health.webhook_checks import check_webhooks
from pipeline.settings.loading import Settings, load_settings

__all__ = ["Check", "run_checks"]


def run_checks(known: Settings | None = None) -> list[Check]:
    """Every check, in the order in which a human would ask. Takes seconds: it calls each CRM a few times."""
    return list(_checks(known))


def _checks(known: Settings | None) -> Iterator[Check]:
    if known is None:
        try:
            known = load_settings()
        except ConfigurationError as error:
            yield failed("settings", str(error), "correct it as the message says, then run this again")
            return
    yield describe_settings(known)
    yield describe_company_folder(known)
    yield check_keys(known)
    yield from check_secrets(known)
    yield from check_stored_secrets(known)
    yield check_disk(known)
    yield from check_processes(known)
    yield check_receiver_port(known)
    yield from check_certificate(known)
    yield from check_listening(known)
    yield from check_database(known)
    yield from check_sealing_keys(known)
    yield from check_access(known)
    yield from check_redis(known)
    yield from check_clocks(known)
    yield from check_rules()
    yield from check_sources(known)
    yield from check_completeness(known)
    yield from check_revisions()
    yield from check_requests()
    yield from check_silence(known)
    yield from check_subscriptions(known)
    yield from check_destinations(known)
    yield from check_crm_consents(known)
    yield from check_webhooks(known)
    yield from check_calls(known)
    yield from check_residency(known)
    yield from check_privacy(known)
