"""Checks of sources and destinations: declared, mapped, with their secrets, and the CRM lets us in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from connectors.kit import Connector, Webhook, sources
from connectors.kit.registry import broken_sources
from connectors.kit.sources.fetching.fetch import fetch_of
from connectors.kit.sources.handshakes import secrets_of_webhook
from pipeline.access.sources import asking_auth_of, auth_in_force, how_to_let_in, keys_of
from pipeline.access.states import CLOSED, AccessState, state_in_force
from pipeline.access.tokens import connect_command
from pipeline.delivery.accounts import quota_of
from pipeline.delivery.inquiries import Inquiry, inquire
from pipeline.delivery.standing import how_access_is_mended, read_standings, why_quota_waits
from pipeline.errors import AfluenteError, ConfigurationError, QuotaError, TerminalError, place_of
from pipeline.health.checks import Check, asked, failed, passed
from pipeline.health.poll_checks import check_polled, read_poll_states
from pipeline.health.polls import PollState
from pipeline.health.thresholds import describe_fetches
from pipeline.settings.fetched_sources import fetch_options
from pipeline.settings.loading import Settings
from pipeline.settings.polled_sources import is_polled
from pipeline.settings.set_up_sources import connector_name, mapping_name, set_up_source, why_broken
from pipeline.stages.destination_mapping.mapping import DESTINATION_MAPPINGS
from pipeline.stages.mapping.source_mapping import SOURCE_MAPPINGS, has_source_mapping
from pipeline.startup.rule_files import RULES
from pipeline.store.fetches.pauses import FetchState, fetch_states
from pipeline.store.source_tokens import StoredToken, TokenKey, read_tokens


class _Stored(NamedTuple):
    """What the database says of sources: read once each, and only if a source needs it. Where nobody asks it, or it is
    away: only what the settings tell of polls, no fetches, and None for tokens."""

    polls: Callable[[], list[PollState]]
    fetches: Callable[[], list[FetchState]]
    tokens: Callable[[], dict[TokenKey, StoredToken] | None]


def check_sources(known: Settings, *, asks: bool = True) -> Iterator[Check]:
    """Every source of afluente.yaml, and every declared one that anybody could post to.

    `asks` False: neither the database nor a feed is asked, and of a polled source only what the settings tell is known.
    """
    stored = _Stored(
        polls=cache(lambda: read_poll_states(known, asks=asks)),
        fetches=cache(lambda: (asked(fetch_states) if asks else None) or []),
        tokens=cache(lambda: asked(read_tokens) if asks else None),
    )
    for slug, reason in broken_sources().items():
        yield failed(f"source {slug}", reason, "correct the file, or take it out of the folder; then restart")
    for name in sorted({*sources(), *known.sources}):
        configured = known.source(name)
        if not configured.enabled:
            continue
        if _is_unused(known, name):
            continue
        if (why := why_broken(known, name, sources())) is not None:
            yield failed(f"source {name}", why, "correct afluente.yaml as the message says, then restart")
            continue
        connector = set_up_source(known, name, sources())
        wanted = connector_name(known, name)
        if connector is None and wanted in broken_sources():
            continue
        if connector is None:
            remedy = f"set sources.{name}.connector to one of {', '.join(sorted(sources()))}"
            yield failed(f"source {name}", f"there is no connector {wanted!r}", remedy)
            continue
        yield _check_source(known, name, connector, stored, asks=asks)


def check_destinations(known: Settings) -> Iterator[Check]:
    """A few calls to each CRM in use: one cheap authenticated one, and up to three for what fields there are."""
    for name, configured in sorted(known.destinations.items()):
        if known.uses_sandbox and not known.is_sandbox_told:
            # Its usual port may be another program's: one that does not answer would take the patience of a call.
            remedy = "start it with `afluente up`, or set up a CRM"
            yield failed(f"destination {name}", "the sandbox does not run here", remedy)
        elif configured.enabled:
            yield from _check_destination(known, name)


def find_wrong_mappings(known: Settings) -> list[str]:
    """What is wrong with the mapping files in use as they are on disk. Workers go on with the versions they have."""
    slugs = {
        mapping_name(known, name, sources())
        for name in {*sources(), *known.sources}
        if known.source(name).enabled and not _is_unused(known, name)
    }
    names = {destination.mapping_name for destination in known.destinations.values() if destination.enabled}
    troubles = [SOURCE_MAPPINGS.trouble(slug) for slug in sorted(slugs)]
    troubles += [DESTINATION_MAPPINGS.trouble(name) for name in sorted(names)]
    troubles += [_trouble(read) for read in RULES.values()]
    return [f"mapping: {why}; workers go on with the version they have" for why in troubles if why is not None]


def check_rules() -> Iterator[Check]:
    """Of who is who and of golden values, as the files stand: with a wrong one no worker starts."""
    for name, read in RULES.items():
        why = _trouble(read)
        if why is None:
            yield passed(f"rules of {name}", "readable")
        else:
            yield failed(f"rules of {name}", why, "correct it as the message says, then restart the workers")


def _trouble(read: Callable[[], object]) -> str | None:
    try:
        read()
    except ConfigurationError as error:
        return str(error)
    return None


def _check_source(known: Settings, name: str, connector: Connector, stored: _Stored, *, asks: bool) -> Check:
    label = f"source {name}"
    if not has_source_mapping(connector.source):
        path = f"mappings/sources/{connector.source}.yaml"
        return failed(label, f"it has no mapping: {path} does not exist", _how_to_map(known, name, path))
    try:
        _raise_trouble(SOURCE_MAPPINGS.trouble(connector.source))
        missing = _missing_secret(known, name, connector)
    except ConfigurationError as error:
        return failed(label, str(error), "correct it as the message says")
    if is_polled(connector):
        of_source = [state for state in stored.polls() if state.source == name]
        if name in known.sources or any(state.is_wanted for state in of_source):
            return check_polled(known, name, connector, of_source, missing, asks=asks)
    if missing is None:
        trouble = _trouble_of_fetch(known, name, connector, stored)
        if fault := _fault_of_secrets(known, name, connector.intake):
            trouble = fault, "give the secret as the sender shows it, the whole of it"
        if trouble is not None:
            return failed(label, *trouble)
        return passed(label, f"{connector.title}: mapped{_remark(known, name, connector.intake)}")
    is_unused = name not in known.sources
    unused = passed(label, f"{connector.title}: not in use, {missing} is not set")
    return unused if is_unused else _lacks(name, connector, missing)


def _is_unused(known: Settings, name: str) -> bool:
    """A connector that is nothing before afluente.yaml describes a source by it."""
    declared = sources().get(name)
    return name not in known.sources and declared is not None and declared.configured_by is not None


def _trouble_of_fetch(known: Settings, name: str, connector: Connector, stored: _Stored) -> tuple[str, str] | None:
    """Of a source that sends ids: why their records cannot be read, and the remedy."""
    fetch = fetch_of(connector)
    if fetch is None:
        return None
    fetch_options(known, name, fetch, connector)
    if (closed := _closed_access(known, name, connector, stored)) is not None:
        return (
            f"{CLOSED[closed.state]}; leads are taken, and wait for their records",
            f"run {connect_command(name, closed.brand)}",
        )
    troubles = [describe_fetches(state, datetime.now(UTC)) for state in stored.fetches() if state.source == name]
    found = next(filter(None, troubles), None)
    if found is None:
        return None
    remedy = f"mend it; it is tried again by itself, or by `afluente source fetch {name}`"
    return found.removeprefix(f"source {name}: "), remedy


def _closed_access(known: Settings, name: str, connector: Connector, stored: _Stored) -> AccessState | None:
    """Of a brand that nobody let us in for."""
    states = (state_in_force(known, name, brand, connector, stored.tokens()) for brand in _brands_of(known, name))
    return next((state for state in states if state is not None and state.state in CLOSED), None)


def _lacks(name: str, connector: Connector, missing: str) -> Check:
    label = f"source {name}"
    if (
        fetch_of(connector) is not None
        and missing != _signing_variable(connector.intake)
        and _is_shown(connector, missing)
    ):
        remedy = how_to_let_in(name, missing, connector.intake)
        return failed(label, f"has no {missing}: leads are taken, and wait for their records", remedy)
    if isinstance(connector.intake, Webhook) and missing != _signing_variable(connector.intake):
        remedy = f"set {missing}, or sources.{name}.secrets.{missing} to env:NAME or file:PATH"
        return failed(label, f"has no {missing}: its handshake is refused, so it may never send", remedy)
    remedy = f"set {missing}, or sources.{name}.secret to env:NAME or file:PATH"
    return failed(label, "has no secret: nothing is accepted from it", remedy)


def _remark(known: Settings, name: str, intake: object) -> str:
    if isinstance(intake, Webhook) and intake.signature is None:
        return "; unsigned: anybody who knows its address can post"
    shared = _shared_secret(known, name, intake)
    return f"; {shared}" if shared else ", nothing missing"


def _missing_secret(known: Settings, name: str, connector: Connector) -> str | None:
    """The environment variable that a source wants and nobody set."""
    intake = connector.intake
    for brand in _brands_of(known, name):
        auth = auth_in_force(known, name, brand, intake)
        if auth is not None and (missing := keys_of(known, name, brand, connector, auth).missing()) is not None:
            return missing
    if isinstance(intake, Webhook):
        main, brands = _signing_variable(intake), _brands_of(known, name)
        variables = (secret.name for secret in secrets_of_webhook(intake))
        return next(
            (variable for variable in variables if not _is_set(known, name, variable, brands, signs=variable == main)),
            None,
        )
    return None


def _is_set(known: Settings, name: str, variable: str, brands: list[str], *, signs: bool) -> bool:
    return all(known.source_secrets(name, variable, signs=signs, brand=brand) for brand in brands)


def _signing_variable(intake: object) -> str | None:
    return intake.signature.secret.name if isinstance(intake, Webhook) and intake.signature is not None else None


def _is_shown(connector: Connector, variable: str) -> bool:
    """Whether a secret is one of those that we show the source."""
    auth = asking_auth_of(connector)
    return auth is not None and variable in {secret.name for secret in auth.secrets}


def _fault_of_secrets(known: Settings, name: str, intake: object) -> str | None:
    """Why a secret that is set can prove nothing; not what it is."""
    signature = intake.signature if isinstance(intake, Webhook) else None
    fault_of = getattr(signature, "fault_of", None)
    if signature is None or fault_of is None:
        return None
    for brand in _brands_of(known, name):
        for number, secret in enumerate(known.source_secrets(name, signature.secret.name, brand=brand), start=1):
            if fault := fault_of(secret):
                return f"its secret (number {number} of the brand {brand}) {fault}: no request can be verified with it"
    return None


def _shared_secret(known: Settings, name: str, intake: object) -> str | None:
    """What follows from one secret for several brands, unless the scheme signs the address."""
    signature = intake.signature if isinstance(intake, Webhook) else None
    if signature is None or "{uri}" in getattr(signature, "signed", ""):
        return None
    brands = [brand for brand in _brands_of(known, name) if brand not in known.source(name).secrets]
    if len(brands) < 2:
        return None
    return (
        f"one secret for the brands {', '.join(brands)}: a captured request is accepted under each of them;"
        f" sources.{name}.secrets gives each its own"
    )


def _brands_of(known: Settings, name: str) -> list[str]:
    return known.source(name).brands or sorted(known.brands)


def _check_destination(known: Settings, name: str) -> Iterator[Check]:
    """Whether the CRM lets us in, then whether the mapping fits the fields that it tells."""
    label = f"destination {name}"
    configured = known.destinations[name]
    try:
        quota_of(name, known)
        with inquire(known, name) as inquiry:
            inquiry.writer.check()
            yield passed(label, f"{inquiry.kind.title} at {configured.base_url} lets us in{_quota_remark(known, name)}")
            yield from _check_mapping_of(inquiry)
    except ConfigurationError as error:
        yield failed(label, str(error), "correct it as the message says")
    except TerminalError as error:
        yield failed(label, str(error), how_access_is_mended(name, configured))
    except QuotaError as error:
        yield failed(label, f"{error}{_quota_remark(known, name)}", "nothing: deliveries wait for the quota")
    except AfluenteError as error:
        yield failed(label, str(error), f"is {configured.base_url} right and reachable? Deliveries wait meanwhile")
    except Exception as error:  # noqa: BLE001 - a connector's bug must not hide the other checks
        remedy = f"report it to the owner of connectors/destinations/{configured.kind}.py"
        yield failed(label, f"bug: {place_of(error)}", remedy)


def _check_mapping_of(inquiry: Inquiry) -> Iterator[Check]:
    """Left out where the CRM tells nothing of its fields, or not to us."""
    label = f"mapping of {inquiry.name}"
    try:
        misfits = inquiry.misfits()
    except AfluenteError:
        return
    if misfits is None:
        return
    if not misfits:
        yield passed(label, f"fits the fields that {inquiry.kind.title} tells")
        return
    more = f", and {len(misfits) - 1} more" if len(misfits) > 1 else ""
    remedy = f"{misfits[0].remedy}; `afluente destination check {inquiry.name} --no-write` tells all"
    yield failed(label, f"{misfits[0].what}{more}", remedy)


def _quota_remark(known: Settings, name: str) -> str:
    try:
        waits = why_quota_waits(read_standings(known, [name])[name])
    except AfluenteError:
        return ""  # Redis has a check of its own
    return f"; {waits}" if waits else ""


def _how_to_map(known: Settings, name: str, path: str) -> str:
    """A source that afluente.yaml describes may read its records by the mapping that its connector ships."""
    shipped = connector_name(known, name)
    if name in known.sources and has_source_mapping(shipped):
        return f"say `mapping: {shipped}` at sources.{name} (for records that use our names), or write {path}"
    return f"write {path}"


def _raise_trouble(why: str | None) -> None:
    if why is not None:
        raise ConfigurationError(why)
