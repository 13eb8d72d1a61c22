"""The register of processing, out of the settings and mappings in force: what is taken in, what for, and who gets it.

It holds names of fields and nobody's values. What the settings do not say stands there as such, for a human to add.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from connectors.kit import sources
from pipeline.canonical import ATTRIBUTION_NAMES, LEAD_FIELDS, TOUCH_FIELDS
from pipeline.errors import AfluenteError
from pipeline.settings.edges.residency import region_of
from pipeline.settings.loading import Settings
from pipeline.settings.retention_settings import LOGS, WITHDRAWAL, RetentionRule
from pipeline.settings.set_up_sources import mapping_name, set_up_sources
from pipeline.stages.mapping.source_mapping import load_source_mapping
from pipeline.targets import mapping_of, targets_of

_IDENTITY = ("first_name", "last_name", "full_name", "email", "other_emails", "phone", "other_phones", "whatsapp_id")
_WORK = ("company", "website", "job_title", "industry", "employee_count", "employee_range", "linkedin_url")
_PLACE = ("street", "city", "state", "postal_code", "country", "region", "language")
_CATEGORIES = (
    ("who somebody is and how to reach them", _IDENTITY),
    ("work", _WORK),
    ("place and language", _PLACE),
    ("what somebody wrote or wants", ("message", "product_interest")),
    ("where somebody came from", (*ATTRIBUTION_NAMES, *TOUCH_FIELDS)),
)
_OTHER = "other details that a source sends"
_UNREADABLE = "the mapping cannot be read: `afluente mapping check`"


class Recipient(msgspec.Struct, frozen=True):
    """Whoever is sent something of a person. `basis`: what allows it to leave the region."""

    name: str
    kind: str
    brands: list[str]
    region: str | None
    basis: str | None
    categories: list[str]


class Activity(msgspec.Struct, frozen=True):
    """One source with one brand."""

    brand: str
    source: str
    purpose: str
    legal_basis: str
    people: str
    categories: list[str]
    recipients: list[str]
    retention: str


class Register(msgspec.Struct, frozen=True):
    """`missing`: settings that would say what is not said, as `register.controller`."""

    controller: str | None
    contact: str | None
    protection_officer: str | None
    region: str | None
    measures: str
    activities: list[Activity]
    recipients: list[Recipient]
    missing: list[str]


def register_of(known: Settings) -> Register:
    """What is set up, whether anything came by it or not; sources that are off are left out."""
    told = known.register
    recipients = list(_recipients(known))
    wanted = ("controller", "contact", "purpose", "legal_basis", *(() if known.retention else ("retention",)))
    missing = [f"register.{name}" for name in wanted if not getattr(told, name)]
    return Register(
        controller=told.controller,
        contact=told.contact,
        protection_officer=told.protection_officer,
        region=region_of(known.data_region),
        measures=told.measures,
        activities=list(_activities(known, recipients)),
        recipients=recipients,
        missing=missing + ([] if known.data_region else ["data_region"]),
    )


def _activities(known: Settings, recipients: list[Recipient]) -> Iterator[Activity]:
    told = known.register
    for slug in sorted(set_up_sources(known, sources())):
        entry = known.source(slug)
        if not entry.enabled or slug not in known.sources:  # what nobody set up, nobody means to process
            continue
        for brand in entry.brands or sorted(known.brands):
            yield Activity(
                brand=brand,
                source=slug,
                purpose=told.purposes.get(slug) or told.purpose or "not stated",
                legal_basis=told.legal_basis or "not stated",
                people=told.people,
                categories=_of_source(known, slug),
                recipients=[recipient.name for recipient in recipients if brand in recipient.brands],
                retention=_kept(known, brand, slug) or told.retention or "not stated",
            )


def _recipients(known: Settings) -> Iterator[Recipient]:
    for name, destination in sorted(known.destinations.items()):
        if destination.enabled:
            basis = destination.transfer_basis
            yield Recipient(
                name=name,
                kind=destination.kind,
                brands=sorted(known.brands) if destination.brands is None else sorted(destination.brands),
                region=region_of(destination.data_region),
                basis=basis.told() if basis else None,
                categories=_of_destination(name),
            )
    for name, webhook in sorted(known.webhooks.items()):
        if webhook.enabled:
            yield Recipient(
                name=name,
                kind="webhook",
                brands=sorted(known.brands) if webhook.brands is None else sorted(webhook.brands),
                region=region_of(webhook.data_region),
                basis=webhook.transfer_basis.told() if webhook.transfer_basis else None,
                categories=_categories(webhook.fields) or ["ids alone"],
            )
    mail = known.consent.mail
    if mail is not None:
        yield Recipient(
            name="consent.mail",
            kind="mail",
            brands=sorted(known.brands),
            region=region_of(mail.data_region),
            basis=mail.transfer_basis.told() if mail.transfer_basis else None,
            categories=_categories(["email"]),
        )


def _kept(known: Settings, brand: str, slug: str) -> str:
    """For how long, by the rules of `retention` that fit: `bodies 30d; people 3y`."""
    rules = [
        rule
        for rule in known.retention
        if rule.what != LOGS and rule.brand in (None, brand) and rule.source in (None, slug)
    ]
    return "; ".join(f"{rule.what} {rule.after}{_narrowed(rule)}" for rule in rules)


def _narrowed(rule: RetentionRule) -> str:
    """What of a class it is about alone: not everybody goes after the days that follow a withdrawal."""
    if rule.start == WITHDRAWAL:
        return f" after withdrawal of {rule.purpose or 'consent'}"
    return f" if {rule.state}" if rule.state else ""


def _of_source(known: Settings, slug: str) -> list[str]:
    try:
        declaration = load_source_mapping(mapping_name(known, slug)).declaration
    except AfluenteError:
        return [_UNREADABLE]
    if declaration.canonical:
        return [name for name, _ in _CATEGORIES]
    return _categories(rule.name for rule in declaration.fields)


def _of_destination(name: str) -> list[str]:
    try:
        rules = [rule for target in targets_of(name) for rule in mapping_of(target).declaration.fields]
    except AfluenteError:
        return [_UNREADABLE]
    return _categories(source.rpartition(".")[2] for rule in rules for source in rule.sources)


def _categories(fields: Iterable[str]) -> list[str]:
    named = set(fields)
    known = [name for name, members in _CATEGORIES if named.intersection(members)]
    return known + ([_OTHER] if named - {*LEAD_FIELDS, *ATTRIBUTION_NAMES, *TOUCH_FIELDS} else [])
