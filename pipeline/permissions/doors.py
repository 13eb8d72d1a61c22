"""What each way in needs, in one table: every command of the command line, every route of HTTP.

A test demands an entry for each of them, and calls each with each role.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.permissions.sight import CLEAR, MASKED

READS = "reads"  # nothing of a person: no entry in the audit log
OPENS = "opens"  # values of a person: an entry before they are shown
SHOWS = "shows"  # values of a person: an entry written by the use case
CHANGES = "changes"  # an entry in the transaction of the change, written by the use case
ACTS = "acts"  # many transactions, or another system: an entry before it begins
TAKES = "takes"  # leads come in: each is an event of its own, which says by which key
LOCAL = "local"  # files and processes of whoever runs it: not the installation's data


class Door(NamedTuple):
    """`permission` None: for everybody. `is_harmless_with`: options with which it only looks; `acts_with`: the only
    option with which it does more than that. `is_bounded_by_source`: it can be held to what one source brought, so that
    a key of some sources may come in; it is refused everywhere else. `masked`: the permission with which it opens for
    whoever has not `permission`, and shows shapes in place of values (pipeline/values/masking.py)."""

    permission: str | None
    does: str
    is_harmless_with: tuple[str, ...] = ()
    acts_with: str | None = None
    is_bounded_by_source: bool = False
    masked: str | None = None

    @property
    def permissions(self) -> tuple[str, ...]:
        """Any one of these opens it; none: it is open to everybody."""
        return tuple(permission for permission in (self.permission, self.masked) if permission is not None)


_LOCAL = Door(None, LOCAL)
_READ = Door("installation.read", READS)
_DRY = ("dry_run",)
_PEOPLE = Door(CLEAR, OPENS, masked=MASKED)

COMMANDS: dict[str, Door] = {
    "init": _LOCAL,
    "up": _LOCAL,
    "status": _READ,
    "import": Door("leads.post", ACTS, _DRY, is_bounded_by_source=True),
    "balance": _READ,
    "leads export": _PEOPLE._replace(is_bounded_by_source=True),
    "leads list": Door("leads.status", READS, is_bounded_by_source=True),
    "leads replay": Door("leads.replay", ACTS, _DRY, is_bounded_by_source=True),
    "leads release": Door("leads.replay", CHANGES),
    "people export": _PEOPLE,
    "people find": _PEOPLE,
    "people merge": Door("people.change", CHANGES),
    "people unmerge": Door("people.change", CHANGES),
    "people recompute": Door("history.recompute", ACTS, _DRY),
    "people log": _READ,
    "people renew": Door("history.recompute", ACTS, _DRY),
    "people review list": _PEOPLE,
    "people review accept": Door("people.change", CHANGES),
    "people review reject": Door("people.change", CHANGES),
    "deliveries preview": _PEOPLE,
    "deliveries export": Door("leads.status", READS),
    "destination list": _READ,
    "destination resume": Door("deliveries.change", CHANGES),
    "destination backfill": Door("deliveries.change", ACTS, _DRY),
    "destination check": Door("deliveries.change", ACTS, acts_with="write"),
    "destination conform": _LOCAL,  # an account for tests, of whoever adds a kind of CRM
    "destination adopt": Door("destinations.change", ACTS, _DRY),
    "destination pairs": _READ,
    "destination setup": Door("destinations.change", ACTS, _DRY),
    "webhook list": _READ,
    "webhook test": Door("webhooks.change", ACTS),
    "webhook replay": Door("webhooks.change", CHANGES, _DRY),
    "webhook enable": Door("webhooks.change", CHANGES),
    "webhook disable": Door("webhooks.change", CHANGES),
    "webhook messages": _READ,
    "explain": _PEOPLE,
    "report attribution": Door("reports.read", READS),
    "attribution recompute": Door("history.recompute", ACTS, _DRY),
    "quarantine list": Door("installation.read", READS, is_bounded_by_source=True),
    "quarantine show": _READ,
    "quarantine fix": Door("quarantine.change", CHANGES),
    "quarantine replay": Door("quarantine.change", CHANGES, _DRY, is_bounded_by_source=True),
    "quarantine discard": Door("quarantine.change", CHANGES),
    "source connect": Door("sources.connect", ACTS, ("status",)),
    "source disconnect": Door("sources.connect", CHANGES),
    "source list": _READ,
    "source new": _LOCAL,
    "source check": _LOCAL,
    "source send": _LOCAL,  # over HTTP, with a key
    "source poll": Door("sources.ask", ACTS),
    "source fetch": Door("sources.ask", ACTS),
    "source completeness": Door("installation.read", READS, is_bounded_by_source=True),
    "source reconcile": Door("sources.ask", ACTS),
    "source status": _READ,
    "source check-hook": Door("sources.ask", ACTS),
    "source play": _LOCAL,
    "mapping check": _LOCAL,
    "mapping preview": _LOCAL,
    "mapping drift": _READ,
    "mapping schema": _LOCAL,
    "keys create": Door("keys.manage", CHANGES),
    "keys list": Door("keys.manage", READS),
    "keys revoke": Door("keys.manage", CHANGES),
    "keys reseal": Door("secrets.manage", CHANGES, ("dry_run", "status")),
    "keys rotate-index": Door("secrets.manage", CHANGES, ("status",)),
    "audit export": Door("audit.read", READS),
    "audit verify": Door("audit.read", READS),
    "audit anchor": Door("installation.change", ACTS),
    "consent show": Door("consents.read", SHOWS),
    "consent record": Door("consents.write", CHANGES),
    "consent export": Door("consents.read", SHOWS),
    "consent link": Door("consents.write", SHOWS),  # whoever has it chooses for its person
    "privacy hold add": Door("privacy.hold", CHANGES),
    "privacy hold list": Door("privacy.read", READS),
    "privacy hold release": Door("privacy.hold", CHANGES),
    "privacy restrict": Door("privacy.restrict", CHANGES, ("listed",)),
    "privacy register": _READ,
    "privacy erase": Door("privacy.erase", CHANGES, _DRY),
    "privacy approve": Door("privacy.approve", CHANGES),
    "privacy status": Door("privacy.read", READS),
    "privacy confirm": Door("privacy.erase", CHANGES),
    "privacy certificate verify": Door("privacy.read", READS),
    "privacy certificate show": Door("privacy.read", READS),
    "privacy suppress": Door("privacy.erase", CHANGES),
    "privacy export": Door("privacy.export", SHOWS),
    "privacy exposure": Door("privacy.read", SHOWS),
    "privacy replay-ledger": Door("privacy.erase", ACTS),
    "privacy sweep": Door("installation.change", ACTS),
    "retention preview": Door("privacy.read", READS),
    "retention run": Door("retention.change", ACTS),
    "users list": Door("users.manage", READS),
    "users sessions": Door("users.manage", READS),
    "users end-sessions": Door("users.manage", CHANGES),
    "users disable": Door("users.manage", CHANGES),
    "users enable": Door("users.manage", CHANGES),
    "users local-admin create": Door("users.manage", CHANGES),
    "console": _LOCAL,
    "sandbox": _LOCAL,
    "doctor": _LOCAL,
    "database roles": Door("installation.change", ACTS, acts_with="apply"),
    "migrate": _LOCAL,  # before it there may be no table to ask
}

_OPEN = Door(None, READS)  # for everybody: what is answered is the same for all, and nothing of a lead

ROUTES: dict[str, Door] = {
    "POST /in/{brand}/{source}": Door(None, TAKES),  # the source's signature lets it in
    "GET /in/{brand}/{source}": _OPEN,
    "OPTIONS /in/{brand}/{source}": _OPEN,
    "POST /v1/leads": Door("leads.post", TAKES, is_bounded_by_source=True),
    "POST /v1/consents": Door("consents.post", TAKES, is_bounded_by_source=True),
    # A link lets its person in: it shows questions and answers, and nobody's name or address.
    "GET /consent/confirm/{token}": Door(None, READS),
    "POST /consent/confirm/{token}": Door(None, TAKES),
    "GET /consent/preferences/{token}": Door(None, READS),
    "POST /consent/preferences/{token}": Door(None, TAKES),
    "GET /v1/leads/{event_id}": Door("leads.status", READS, is_bounded_by_source=True),
    "GET /v1/people/{person_id}": Door(CLEAR, SHOWS, masked=MASKED),
    "POST /v1/privacy/erase": Door("privacy.erase", CHANGES),
    "GET /v1/privacy/requests/{request_id}": Door("privacy.read", READS),
    "POST /v1/hooks": Door("hooks.subscribe", CHANGES),
    "GET /v1/hooks": Door("hooks.subscribe", READS),
    "GET /v1/hooks/sample/{event}": Door("hooks.subscribe", READS),
    "DELETE /v1/hooks/{hook_id}": Door("hooks.subscribe", CHANGES),
    "GET /health/live": _OPEN,
    "GET /health/ready": _OPEN,
    "GET /metrics": _OPEN,
    "GET /form.js": _OPEN,
    "GET /openapi.json": _OPEN,
    "GET /docs": _OPEN,
}
