"""A request whose proof fails may be the first signed with a new secret: then that is read before the answer."""

from __future__ import annotations

import asyncio

from connectors.kit import Signature
from pipeline.intake.instances import SourceBook, SourceInstance

_PATIENCE_SECONDS = 5.0  # senders wait about ten for an answer

_Place = tuple[str, str, str]


class SecretRenewals:
    """Renewals on their way, one for each secret: requests that come meanwhile wait for the same one."""

    def __init__(self, book: SourceBook) -> None:
        self._book = book
        self._running: dict[_Place, asyncio.Task[None]] = {}

    async def renew(self, instance: SourceInstance, signature: Signature) -> bool:
        """Read the secret of a signature again where it is kept; False if that is nowhere, or takes too long. A store
        is asked once a minute at most, whatever strangers send, and never in the event loop."""
        secret = signature.secret
        if not self._book.may_change(instance, secret, signs=True):
            return False
        place = (instance.brand, instance.slug, secret.name)
        running = self._running.get(place)
        if running is None:
            renewal = asyncio.to_thread(self._book.renew, instance, secret, signs=True)
            running = self._running[place] = asyncio.create_task(renewal)
            running.add_done_callback(lambda _: self._running.pop(place, None))
        try:
            await asyncio.wait_for(asyncio.shield(running), _PATIENCE_SECONDS)
        except TimeoutError:
            return False
        return True
