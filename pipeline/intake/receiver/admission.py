"""Which requests are let in, and how many: by source, after the proof where there is one, and by what entries say.

Three buckets of a source, so that strangers never use up what its own sender may do:

- proven requests, or those of a source that signs nothing: `rate_per_second` of afluente.yaml, counted in records;
  without one, a source that signs nothing has a rate nevertheless, and each address that posts to such sources has one;
- requests that prove nothing: a bucket of their own; one that does not even claim a proof is refused unread;
- entries of an unsigned source that identify nobody: each would wait for a human, so only so many are taken.
"""

from __future__ import annotations

from starlette.datastructures import Address

from connectors.kit import Signature
from connectors.kit.sources.content_types import MAX_LENGTH, read_content_type
from pipeline.intake.edge.peers import Peers, name_of
from pipeline.intake.instances import SourceInstance
from pipeline.intake.posted.records import PostedRecord
from pipeline.intake.receiver.answers import RefusedError, refused_later
from pipeline.intake.receiver.rate_limits import RateLimits
from pipeline.settings.loading import Settings
from pipeline.settings.networks import is_within

_UNPROVEN_PER_SECOND = 20.0
_UNPROVEN_BURST = 100.0
_NAMELESS_PER_SECOND = 0.1  # entries that identify nobody, of an unsigned source
_ADDRESS_BURST_SECONDS = 10.0  # an office behind one address may send this long at its rate all at once
_MOST_ADDRESSES = 10_000  # whose buckets are kept
_NAMELESS_BURST = 100.0  # a form whose fields were renamed loses nothing before somebody looks


class Admission:
    """The buckets of a receiver. Everything here raises RefusedError for what is not let in."""

    def __init__(self, settings: Settings, limits: RateLimits) -> None:
        self._settings = settings
        self._limits = limits
        self._addresses = RateLimits(most=_MOST_ADDRESSES)
        self._proxies = Peers(None, settings.trusted_proxies)

    def check_address(self, instance: SourceInstance, client: Address | None) -> None:
        """403 for a request from elsewhere than `allow_from` of the source says. `client`: who asks, or whom a trusted
        proxy names."""
        allowed = self._settings.source(instance.slug).allow_from
        if allowed is not None and not is_within(client.host if client else None, allowed):
            raise RefusedError(403, "address", "requests of this source are not taken from your address")

    def let_in(self, instance: SourceInstance, client: Address | None) -> None:
        """One request of a source, counted as one record. 429 over its rate, or over that of its address where nothing
        proves who sends."""
        if (address := self._address(instance, client)) is not None:
            wait = self._addresses.take(address, **self._address_rate)
            if wait:
                raise refused_later(429, "too_fast", "your address sends faster than it may", seconds=wait)
        wait = self._limits.take((instance.brand, instance.slug), rate_per_second=self._rate(instance))
        if wait:
            raise refused_later(429, "too_fast", "this source sends faster than it may", seconds=wait)

    def count_records(self, instance: SourceInstance, client: Address | None, records: int) -> None:
        """How many records the request that was let in turned out to hold."""
        if (address := self._address(instance, client)) is not None:
            self._addresses.charge(address, records - 1, **self._address_rate)
        self._limits.charge((instance.brand, instance.slug), records - 1, rate_per_second=self._rate(instance))

    def refuse_unproven(self, instance: SourceInstance) -> RefusedError:
        """The answer to a request without proof: 401, and 429 if many of them come."""
        wait = self._limits.take(
            ("unproven", instance.brand, instance.slug), rate_per_second=_UNPROVEN_PER_SECOND, burst=_UNPROVEN_BURST
        )
        if wait:
            return refused_later(
                429, "too_many_unproven", "too many requests without a valid signature come here", seconds=wait
            )
        return RefusedError(401, "bad_signature", "the signature or secret is missing, wrong or too old")

    def check_entries(self, instance: SourceInstance, records: list[PostedRecord]) -> None:
        """Let in what a source that signs nothing sends, as far as it identifies anybody. 422 for a flood of others."""
        for record in records:
            if record.identifies:
                continue
            wait = self._limits.take(
                ("nameless", instance.brand, instance.slug), rate_per_second=_NAMELESS_PER_SECOND, burst=_NAMELESS_BURST
            )
            if wait:
                raise RefusedError(
                    422,
                    "identifies_nobody",
                    "nothing here identifies a person by the fields that this source is known to send,"
                    " and many such entries came before",
                )

    def _rate(self, instance: SourceInstance) -> float | None:
        own = self._settings.source(instance.slug).rate_per_second
        return own or (self._settings.receiver.unsigned_per_source if _is_unsigned(instance) else None)

    def _address(self, instance: SourceInstance, client: Address | None) -> str | None:
        """What a stranger is counted under; None for a sender who proves itself, and for a proxy that does not say who
        is behind it: that may be everybody."""
        if client is None or not _is_unsigned(instance) or self._proxies.is_trusted(client.host):
            return None
        return name_of(client.host)

    @property
    def _address_rate(self) -> dict[str, float]:
        rate = self._settings.receiver.unsigned_per_address
        return {"rate_per_second": rate, "burst": rate * _ADDRESS_BURST_SECONDS}


def _is_unsigned(instance: SourceInstance) -> bool:
    return instance.webhook is not None and instance.webhook.signature is None


def claims_proof(signature: Signature, headers: dict[str, str]) -> bool:
    """Whether a request says at all that it is signed: if not, its body need not be read."""
    is_claimed = getattr(signature, "is_claimed", None)
    return is_claimed is None or bool(is_claimed(headers))


def check_content_type(header: str) -> None:
    """Raises RefusedError for a Content-Type beyond what any sender means, and for a charset that is not read here."""
    if len(header) > MAX_LENGTH:
        raise RefusedError(400, "long_content_type", f"a Content-Type has at most {MAX_LENGTH} characters")
    found = read_content_type(header)
    if found.charset is not None and found.codec is None:
        raise RefusedError(415, "charset_not_accepted", "this charset is not understood here; send UTF-8")
