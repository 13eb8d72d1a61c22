"""Is the source declared in full, and called the same everywhere?"""

from __future__ import annotations

import re

from connectors.kit.conformance.cases import TYPICAL, Case
from connectors.kit.paths import path_problem
from connectors.kit.sources.auth import auth_of, plain_of
from connectors.kit.sources.declarations import Connector, Poll, Secret, Webhook
from connectors.kit.sources.fetching.addresses import address_problems
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.fetching.subscriptions import subscription_of, subscription_problems
from connectors.kit.sources.handshakes import secrets_of_webhook
from connectors.kit.sources.idempotency import id_paths
from connectors.kit.sources.paging.checks import wrong_words
from connectors.kit.sources.parts import as_paths
from connectors.kit.sources.reconciling.checks import reconcile_problems
from connectors.kit.sources.reconciling.declared import reconcile_of
from connectors.kit.sources.shared_secrets import SharedSecret, header_problem

_SLUG = re.compile(r"[a-z][a-z0-9_]{1,62}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
_TIERS = ("bronze", "silver", "gold")
_LANES = ("hot", "bulk")
_REVISIONS = ("replace", "add", "first")
_FORMATS = ("json", "form", "text")


def one_slug_everywhere(case: Case) -> list[str]:
    """Module, declaration, mapping and samples go by one word."""
    problems = []
    if not _SLUG.fullmatch(case.source):
        problems.append(f"{case.source!r} is no slug: lower-case letters, digits and _, beginning with a letter")
    names = {"the declaration": case.connector.source, "the mapping": case.mapping_source}
    for where, name in names.items():
        if name != case.source and not (name is None and case.mapping_problem):
            problems.append(f"{where} calls the source {name!r}; it must be {case.source!r}")
    problems += [
        f"the sample {sample.name} lies in samples/{sample.source}; it belongs into samples/{case.source}"
        for sample in case.samples
        if sample.source != case.source
    ]
    return problems


def declaration_is_complete(case: Case) -> list[str]:
    """Somebody owns it, its own documentation is linked, and its words are ones the kit knows."""
    connector = case.connector
    problems = []
    if not connector.title.strip():
        problems.append("title is empty; people read it in lists")
    if not re.fullmatch(r"@[\w./-]+", connector.owner):
        problems.append(f"owner is {connector.owner!r}; write the person or team as @name")
    if not connector.docs_url.startswith("https://"):
        problems.append("docs_url must be an https address of the source's own documentation")
    if connector.tier not in _TIERS:
        problems.append(f"tier is {connector.tier!r}; allowed: {', '.join(_TIERS)}")
    if connector.lane not in _LANES:
        problems.append(f"lane is {connector.lane!r}; allowed: {', '.join(_LANES)}")
    if connector.revisions not in _REVISIONS:
        problems.append(f"revisions is {connector.revisions!r}; allowed: {', '.join(_REVISIONS)}")
    intake = connector.intake
    if isinstance(intake, Webhook):
        unknown = set(intake.formats) - set(_FORMATS)
        if unknown or not intake.formats:
            problems.append(f"formats must be some of {', '.join(_FORMATS)}")
        if not 200 <= intake.answer.status < 300:
            problems.append(
                f"the answer's status is {intake.answer.status}; senders read anything but 2xx as a failure"
            )
        header = intake.idempotency_header
        if header is not None and header != header.lower():
            problems.append(f"idempotency_header is {header!r}; write it in lower case")
        problems += _wrong_header(intake)
    if (fetch := fetch_of(connector)) is not None:
        problems += address_problems(fetch)
    problems += reconcile_problems(connector)
    problems += subscription_problems(subscription_of(connector))
    problems += _wrong_paths(connector)
    if isinstance(intake, Poll):
        problems += wrong_words(intake)
    return problems


def secrets_are_named_after_their_source(case: Case) -> list[str]:
    """A secret is an environment variable that begins with the slug: whoever sees one knows whose it is."""
    prefix = case.source.upper() + "_"
    return [
        f"the secret {secret.name!r} must be the name of a variable that begins with {prefix}"
        for secret in _secrets(case)
        if not (_VARIABLE.fullmatch(secret.name) and secret.name.startswith(prefix))
    ]


def samples_exist(case: Case) -> list[str]:
    """One payload as the source sends it, and what must become of it."""
    typical = case.sample(TYPICAL)
    if typical is None:
        return [f"samples/{case.source} has no sample named {TYPICAL}"]
    if typical.expected:
        return []
    problem = (
        f"samples/{case.source}/{TYPICAL}.expected.json is missing: write down the lead that must become of the sample"
    )
    return [f"{problem}; `afluente mapping preview {case.source} …` shows what becomes of it now"]


def _wrong_header(intake: Webhook) -> list[str]:
    """A header that can hold no secret."""
    why = header_problem(intake.signature.header) if isinstance(intake.signature, SharedSecret) else None
    return [f"signature.header: {why}"] if why else []


def _wrong_paths(connector: Connector) -> list[str]:
    """Paths that cannot be read, which intake would meet with every body."""
    problems = []
    if isinstance(connector.intake, Webhook):
        for path in as_paths(connector.intake.records_at):
            problems += path_problem("records_at", path, many=True)
    for path in id_paths(connector):
        problems += path_problem("event_id", path)
    problems += path_problem("occurred_at", connector.occurred_at)
    return problems


def _secrets(case: Case) -> list[Secret]:
    intake = case.connector.intake
    reconcile, subscription = reconcile_of(case.connector), subscription_of(case.connector)
    asks = [intake, *([reconcile.poll] if reconcile else []), *([subscription.ask] if subscription else [])]
    proofs = [auth for ask in asks for auth in (plain_of(ask), auth_of(ask)) if auth is not None]
    shown = [secret for auth in proofs for secret in auth.secrets]
    return [*(secrets_of_webhook(intake) if isinstance(intake, Webhook) else []), *shown]
