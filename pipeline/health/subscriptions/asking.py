"""Asks sources that post whether our address is subscribed, switched on, and whether the token allows what it must."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson

from connectors.kit import Connector, sources
from connectors.kit.destinations.options import checked_options
from connectors.kit.http import session
from connectors.kit.reach import Reach
from connectors.kit.sources.auth import Access, auth_of
from connectors.kit.sources.fetching.addresses import target_of
from connectors.kit.sources.fetching.answers import fetch_record
from connectors.kit.sources.fetching.fetch import Fetch
from connectors.kit.sources.fetching.subscriptions import Hook, Subscription, subscription_of
from pipeline.access.sources import auth_in_force, how_to_let_in, keys_of
from pipeline.errors import AfluenteError, ConfigurationError, RecordError, TerminalError, place_of
from pipeline.logs import get_logger
from pipeline.settings.edges.outgoing import reach_of_source
from pipeline.settings.loading import Settings, settings
from pipeline.settings.set_up_sources import set_up_sources
from pipeline.store.engine import transaction
from pipeline.store.sources.rhythms import SourceKey
from pipeline.store.sources.subscriptions import SubscriptionRow, read_subscriptions, write_subscription

OK, REFUSED = "ok", "refused"
_DAY, _SOONER = timedelta(days=1), timedelta(minutes=55)  # after what nobody could tell, or a human may have mended
_CALL_SECONDS = 10.0
_BUDGET_SECONDS = 60.0
_MOST_EACH = 50
_GONE = "fetch_gone"  # the form or page that was named: nothing is subscribed there
_WORST_FIRST: tuple[Hook, ...] = ("absent", "elsewhere", "paused", "active")
_log = get_logger(__name__)


class Subscribed(msgspec.Struct, frozen=True):
    """A source of a brand that can be asked. `why_not`: a sentence with what to set, if it is not."""

    brand: str
    slug: str
    connector: Connector
    subscription: Subscription
    address: str
    options: dict[str, Any]
    why_not: str | None


def subscribed_sources(known: Settings) -> list[Subscribed]:
    """Every source that can be asked, with each brand, in a stable order."""
    found = []
    for slug, connector in set_up_sources(known, sources()).items():
        subscription = subscription_of(connector)
        entry = known.source(slug)
        if subscription is None or not entry.enabled:
            continue
        for brand in entry.brands or sorted(known.brands):
            if not _is_asked(known, slug, brand):
                continue
            options, lacks = _options(known, slug, brand, subscription)
            why_not = _unproven(known, slug, brand, connector, subscription) or lacks
            address = our_address(known, brand, slug)
            found.append(Subscribed(brand, slug, connector, subscription, address, options, why_not))
    return found


def our_address(known: Settings, brand: str, slug: str) -> str:
    """Where a source posts to; the path alone, while nobody said under which name the world sees us."""
    return f"{(known.receiver.public_url or '').rstrip('/')}/in/{brand}/{slug}"


def ask_due(now: datetime | None = None) -> int:
    """Ask those whose day has come, who waits longest first, for a bounded time: the others are asked in an hour.
    Returns how many were asked.

    Raises TransientError if the database is away.
    """
    now, asked, until = now or datetime.now(UTC), 0, time.monotonic() + _BUDGET_SECONDS
    with transaction(synchronous=False) as connection:
        rows = read_subscriptions(connection)
    due = [source for source in subscribed_sources(settings()) if _is_due(source, rows.get(_key(source)), now)]
    for source in sorted(due, key=lambda source: _asked_at(rows.get(_key(source)))):
        if asked and time.monotonic() > until:
            break
        ask(settings(), source)
        asked += 1
    return asked


def _key(source: Subscribed) -> SourceKey:
    return source.brand, source.slug


def _asked_at(row: SubscriptionRow | None) -> datetime:
    return row.checked_at if row is not None else datetime.min.replace(tzinfo=UTC)


def _is_due(source: Subscribed, row: SubscriptionRow | None, now: datetime) -> bool:
    is_well = row is not None and row.token == OK and row.hook == "active" and not row.missing_scopes
    age = now - _asked_at(row)
    is_ahead = age < -_SOONER  # a clock was
    return source.why_not is None and (is_ahead or age >= (_DAY if is_well else _SOONER))


def ask(known: Settings, source: Subscribed) -> None:
    """Ask a source, and write down what it said. A bug in reading one costs no other. Raises TransientError."""
    said: dict[str, Any] = {"token": None, "hook": None}
    try:
        said |= _said(known, source)
    except TerminalError as error:
        said |= {"token": REFUSED, "error": str(error)}
    except AfluenteError as error:
        said["error"] = str(error)
    except Exception as error:  # noqa: BLE001 - an answer that nobody thought of
        said["error"] = place_of(error)
        _log.error("subscription_not_read", source=source.slug, brand=source.brand, place=place_of(error))
    with transaction() as connection:
        write_subscription(connection, source.brand, source.slug, **said)


def _said(known: Settings, source: Subscribed) -> dict[str, Any]:
    subscription = source.subscription
    auth = auth_in_force(known, source.slug, source.brand, subscription.ask)
    if auth is None:
        raise ConfigurationError("nothing is shown to it, and it tells nothing without")
    keys = keys_of(known, source.slug, source.brand, source.connector, auth)
    access = auth.access(keys)
    base = known.source(source.slug).url
    reach = reach_of_source(known, source.slug)
    states: list[Hook] = []
    for options in _each(subscription, source.options):
        try:
            answer = _answer(subscription.ask, options, access, base, reach)
        except RecordError as error:
            if error.code != _GONE:
                raise
            states.append("absent")
        else:
            states.append(subscription.state_of(answer, source.address))
    missing: list[str] = []
    if subscription.scopes is not None and auth.grant is None:
        token = next(iter(keys.secrets_of(auth.secrets[0])), "")
        answer = _answer(subscription.scopes.ask, {**source.options, "token": token}, access, base, reach)
        missing = subscription.missing_scopes(answer)
    return {"token": OK, "hook": min(states, key=_WORST_FIRST.index), "missing_scopes": missing}


def _answer(question: Fetch, options: Mapping[str, Any], access: Access, base: str | None, reach: Reach) -> Any:
    target = target_of(question, {}, options, base=base)
    with session(target.url, timeout_seconds=_CALL_SECONDS, answer_seconds=_CALL_SECONDS, reach=reach) as http:
        return orjson.loads(fetch_record(question, target, access=access, http=http, what="its subscription"))


def _each(subscription: Subscription, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options of each request."""
    if subscription.each is None:
        return [dict(options)]
    return [{**options, subscription.each: value} for value in _values(options, subscription.each)]


def _values(options: Mapping[str, Any], name: str) -> list[str]:
    """Of an option that may hold several, with commas between."""
    return [value.strip() for value in str(options.get(name) or "").split(",") if value.strip()]


def _options(known: Settings, slug: str, brand: str, subscription: Subscription) -> tuple[dict[str, Any], str | None]:
    """Those that are set, or have a default; and what is missing or wrong, as a sentence."""
    entry, declared = known.source(slug), {option.name: option for option in subscription.ask.options}
    place = f"sources.{slug}.subscription"
    shared = {name: value for name, value in entry.options.items() if name in declared}
    given = entry.subscription if isinstance(entry.subscription, dict) else {}
    own = given.get(brand)
    try:
        options = checked_options(place, declared.values(), {**shared, **_of_all_brands(known, given)})
        if isinstance(own, dict):
            options |= checked_options(f"{place}.{brand}", declared.values(), {**options, **own})
    except ConfigurationError as error:
        return shared, str(error)
    if subscription.each is not None and (count := len(_values(options, subscription.each))) > _MOST_EACH:
        return (
            options,
            f"{place}.{subscription.each} names {count}, and at most {_MOST_EACH} are asked for: leave some out",
        )
    missing = next((option for name, option in declared.items() if not _values(options, name)), None)
    return options, f"set {place}.{missing.name} ({missing.help})" if missing is not None else None


def _of_all_brands(known: Settings, given: Mapping[str, Any]) -> dict[str, Any]:
    """What `subscription` says beside what it says of a brand alone."""
    return {name: value for name, value in given.items() if not (name in known.brands and _is_of_brand(value))}


def _is_of_brand(value: Any) -> bool:
    return value is False or isinstance(value, dict)


def _is_asked(known: Settings, slug: str, brand: str) -> bool:
    """Not where `subscription` is off, for all brands or for this one."""
    said = known.source(slug).subscription
    return said is not False and not (isinstance(said, dict) and said.get(brand) is False)


def _unproven(known: Settings, slug: str, brand: str, connector: Connector, subscription: Subscription) -> str | None:
    """Which secret nobody set."""
    try:
        auth = auth_in_force(known, slug, brand, subscription.ask) or auth_of(subscription.ask)
        missing = keys_of(known, slug, brand, connector, auth).missing() if auth is not None else None
    except ConfigurationError as error:
        return str(error)
    return None if missing is None else how_to_let_in(slug, missing, subscription.ask)
