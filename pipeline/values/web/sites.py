"""Which hosts are one site: those with the same registrable name. By the Public Suffix List.

It comes with its library, and is read when the first two hosts have to be compared: 30 ms, 2 MB, once per process.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_NUMERIC = re.compile(r"[\d.]+|[0-9a-f:]*:[0-9a-f:.]*")  # an IP address has no registrable part


def is_same_site(host: str, other: str) -> bool:
    """Whether two hosts (lower case, without port) belong to one registrable name."""
    return host == other or (host[-3:] == other[-3:] and site_of(host) == site_of(other))


@lru_cache(maxsize=8192)
def site_of(host: str) -> str:
    """The registrable name of a host: `example.co.uk` of `shop.example.co.uk`.

    The host itself where there is none: an address in numbers, a name without a dot, a public suffix such as `co.uk`.
    """
    if "." not in host or _NUMERIC.fullmatch(host):
        return host
    return _suffixes().privatesuffix(host) or host


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
