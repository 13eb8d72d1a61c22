"""Providers inside the sandbox, below `/providers/SOURCE`: what the samples say, for a rehearsal without an account."""

from __future__ import annotations

from functools import cache

from connectors.sandbox.dialects.dialect import Reply, Request
from connectors.sandbox.providers.provider import Provider, sample_provider

_PREFIX = "/providers/"


def answer_provider(request: Request) -> Reply | None:
    """None where there is no such provider."""
    if not request.path.startswith(_PREFIX):
        return None
    source, slash, path = request.path.removeprefix(_PREFIX).partition("/")
    provider = _provider(source)
    return provider.answer(request, slash + path) if provider is not None else None


@cache
def _provider(source: str) -> Provider | None:
    return sample_provider(source)
