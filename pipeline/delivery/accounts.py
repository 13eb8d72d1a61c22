"""The quota of an account: what kinds of CRM declare of it, and what afluente.yaml says. Several destinations may use
one account; then each of their limits holds for all of them."""

from __future__ import annotations

import msgspec

from connectors.kit import DestinationType, Window, destination_types
from pipeline.errors import ConfigurationError
from pipeline.settings.declarations import DestinationSettings
from pipeline.settings.loading import Settings


class AccountQuota(msgspec.Struct, frozen=True):
    """`rate` is in calls per second; `windows` hold at once with it. `calls_per_write` are granted before a write."""

    account: str
    rate: float
    burst: int
    windows: tuple[Window, ...] = ()
    calls_per_write: int = 1


def account_of(destination: str, known: Settings) -> str:
    """The account that a destination of the settings uses: its own name, unless it says otherwise."""
    configured = known.destinations.get(destination)
    return (configured.account if configured else None) or destination


def quota_of(destination: str, known: Settings) -> AccountQuota:
    """What holds for a destination of the settings: of each limit the strictest that a destination of its account has.

    Raises ConfigurationError for an unknown kind, and for a window that is neither declared nor complete.
    """
    account = account_of(destination, known)
    sharing = [
        (name, configured)
        for name, configured in known.destinations.items()
        if name == destination or (configured.enabled and account_of(name, known) == account)
    ]
    rates: list[tuple[float, int]] = []
    windows: dict[str, Window] = {}
    for name, configured in sharing:
        kind = kind_of(name, configured)
        rates.append((configured.calls_per_second or kind.calls_per_second, configured.burst or kind.burst))
        for window in windows_of(name, configured, kind):
            windows[window.name] = _stricter(window, windows.get(window.name, window))
    return AccountQuota(
        account=account,
        rate=min(rate for rate, _ in rates),
        burst=min(burst for _, burst in rates),
        windows=tuple(windows.values()),
        calls_per_write=kind_of(destination, known.destinations[destination]).calls_per_write,
    )


def windows_of(destination: str, configured: DestinationSettings, kind: DestinationType) -> list[Window]:
    """The windows that a kind declares, as the settings change them and with those that they add."""
    windows = {window.name: window for window in kind.windows}
    for name, said in configured.windows.items():
        place = f"destinations.{destination}.windows.{name}"
        declared = windows.get(name)
        if declared is None and (said.calls is None or said.seconds is None):
            missing = "calls" if said.calls is None else "seconds"
            known = f"; {kind.kind} has {', '.join(windows)}" if windows else ""
            raise ConfigurationError(
                f"{place}.{missing} is not set: a window of your own needs calls and seconds{known}"
            )
        base = declared or Window(name, calls=1, seconds=1.0)
        windows[name] = Window(
            name,
            calls=base.calls if said.calls is None else said.calls,
            seconds=base.seconds if said.seconds is None else said.seconds,
            reserve=base.reserve if said.reserve is None else said.reserve,
            floor=base.floor if said.floor is None else said.floor,
            is_cap=said.calls is not None,
        )
    return list(windows.values())


def kind_of(destination: str, configured: DestinationSettings) -> DestinationType:
    """The declared kind of a destination. Raises ConfigurationError naming the kinds there are."""
    kinds = destination_types()
    if configured.kind not in kinds:
        raise ConfigurationError(
            f"destinations.{destination}.kind is {configured.kind!r}; allowed: {', '.join(sorted(kinds))}"
        )
    return kinds[configured.kind]


def _stricter(one: Window, other: Window) -> Window:
    """Of two destinations that use one account; a limit that was set comes before one that is only declared."""
    if one.is_cap == other.is_cap:
        fewest = min(one, other, key=lambda window: window.calls / window.seconds)
    else:
        fewest = one if one.is_cap else other
    return Window(
        one.name,
        fewest.calls,
        fewest.seconds,
        reserve=max(one.reserve, other.reserve),
        floor=max(one.floor, other.floor),
        is_cap=fewest.is_cap,
    )
