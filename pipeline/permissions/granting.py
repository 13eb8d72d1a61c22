"""What one may give to another by a key or an account: no more than one has. docs/access.md says the same in words.

Pure, and asked by whatever gives: `keys create`, `users local-admin create`, the console.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from pipeline.errors import ForbiddenError
from pipeline.permissions.principals import Principal, may
from pipeline.permissions.roles import INGEST, permissions_of, scope_of

_MANAGING_KEYS = "keys.manage"
# Who manages keys gives these without having them: they let leads in, and show nobody.
_GIVEN_WITH_KEYS = permissions_of(INGEST)


def require_grant(
    giver: Principal,
    permissions: Iterable[str],
    *,
    brands: Collection[str] = (),
    sources: Collection[str] = (),
    ends_at: datetime | None = None,
) -> None:
    """Raises ForbiddenError, which says what is too much, unless `giver` may let another do this.

    Empty `brands` and `sources`: all of them; `ends_at` None: without an end.
    """
    for permission in sorted(permissions):
        for brand in sorted(brands) or (None,):
            if not _may_give(giver, permission, brand):
                place = f"in the brand {brand}" if brand else "in all brands"
                raise ForbiddenError(
                    f"nobody gives more than they may themselves: {scope_of(permission)} {place} is not yours to give"
                )
    if giver.sources and not (sources and set(sources) <= set(giver.sources)):
        raise ForbiddenError(
            "nobody gives more than they may themselves: you serve the sources"
            f" {', '.join(giver.sources)} alone, so what you give is for some of them"
        )
    if giver.ends_at is not None and (ends_at is None or ends_at > giver.ends_at):
        raise ForbiddenError(
            f"what a key gives ends no later than the key: yours ends at {giver.ends_at:%Y-%m-%d %H:%M} (UTC)"
        )


def _may_give(giver: Principal, permission: str, brand: str | None) -> bool:
    is_given_with_keys = permission in _GIVEN_WITH_KEYS and may(giver, _MANAGING_KEYS, brand)
    return is_given_with_keys or may(giver, permission, brand)
