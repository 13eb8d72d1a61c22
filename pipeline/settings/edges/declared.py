"""What afluente.yaml may say of the edges: who may connect to the receiver, and where calls may go."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Hsts = Literal["host", "subdomains", "off"]
_YEAR_SECONDS = 31_536_000
PerSecond = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]


class TlsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files in PEM: the certificate with its chain, and its key without a passphrase. Read again when they change. A
    relative path begins in the folder of afluente.yaml. The plain port stays beside."""

    certificate: str
    key: str
    host: str | None = None  # the address to listen on; None: all of this machine's
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8443
    hsts: Hsts = "host"  # for whom browsers that came by this port are to use HTTPS alone


def strict_transport(hsts: Hsts) -> str | None:
    """What Strict-Transport-Security says; None: nothing is said."""
    if hsts == "off":
        return None
    return f"max-age={_YEAR_SECONDS}{'; includeSubDomains' if hsts == 'subdomains' else ''}"


class ReceiverSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP receiver as the world sees it. The limits hold in each process of it, and for no trusted proxy."""

    public_url: str | None = None  # what senders were told: some sign it
    # Networks whose word of who is behind them counts; None: 127.0.0.1, or those of FORWARDED_ALLOW_IPS.
    trusted_proxies: list[str] | None = None
    describe_sources: bool = False  # /docs and /openapi.json name brands and sources to anybody
    tls: TlsSettings | None = None  # None: a proxy speaks TLS
    connections_per_address: Annotated[int, msgspec.Meta(ge=0, le=65_536)] = 256  # 0: as many as come
    connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 4_096  # in all, those of proxies too
    # Records of sources that sign nothing: of each address, and of each source that names no rate of its own.
    unsigned_per_address: PerSecond = 50.0
    unsigned_per_source: PerSecond = 1_000.0


class OutgoingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where polls, reads, token servers and CRMs may be. `private_networks`: what a name of the internet that leads
    into a private network comes to. `networks` may be called whatever leads there."""

    private_networks: Literal["refuse", "warn", "allow"] = "warn"
    networks: list[str] = []
