"""How calls to a destination stand, as all workers see it: its breaker and its quota, and what halts them in words."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.delivery.accounts import account_of
from pipeline.delivery.breaker import Breaker, BreakerState
from pipeline.delivery.governor import Governor, QuotaState
from pipeline.delivery.shared_state import shared_redis
from pipeline.lanes import HOT
from pipeline.settings.declarations import DestinationSettings
from pipeline.settings.loading import Settings


class Standing(msgspec.Struct, frozen=True):
    breaker: BreakerState
    quota: QuotaState
    account: str = ""


def read_standings(known: Settings, names: Iterable[str]) -> dict[str, Standing]:
    """Of each destination; the quota is that of its account. Raises TransientError while Redis is away."""
    client = shared_redis(known.broker_url)
    breaker, governor = Breaker(client), Governor(client)
    accounts = {name: account_of(name, known) for name in names}
    return {name: Standing(breaker.state(name), governor.state(account), account) for name, account in accounts.items()}


def why_quota_waits(standing: Standing) -> str | None:
    """What keeps calls back for want of quota, and until when; None if they are made."""
    quota = standing.quota
    if quota.blocked_seconds > 0:
        return f"the CRM's quota is used up; the next call is made in {quota.blocked_seconds:.0f} s"
    if quota.full is None:
        return None
    who = "the next call is made" if quota.full_lane == HOT else "hot leads go on, bulk does"
    where = f"the quota of account {standing.account} is used up in the window {quota.full}"
    return f"{where}; {who} in {quota.full_seconds:.0f} s"


def why_halted(name: str, breaker: BreakerState) -> str | None:
    """Why no call is made, without the destination's name; None if calls are made."""
    if breaker.state == "closed":
        return None
    return f"calls are halted ({without_name(name, breaker.reason)}); one is tried in {breaker.open_seconds:.0f} s"


def how_access_is_mended(name: str, configured: DestinationSettings) -> str:
    """What to do where a CRM does not let us in, or not do what we want there."""
    mend = f"mend destinations.{name}.secrets or the account's rights, then `afluente destination resume {name}`"
    variables = sorted(text.removeprefix("env:") for text in configured.secrets.values() if text.startswith("env:"))
    if not variables:
        return mend
    named = variables[0] if len(variables) == 1 else f"one of {', '.join(variables)}"
    return f"{mend}; for a new value of {named} start Afluente again: what runs keeps the one it began with"


def without_name(name: str, reason: str | None) -> str:
    """A reason without the destination's name in front of it, where the sentence begins with the name already."""
    return (reason or "no reason is known").removeprefix(f"{name}: ")
