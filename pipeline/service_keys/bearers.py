"""Who somebody is who shows a key elsewhere than at the receiver: at the command line."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

from pipeline.audit.machine import os_actor
from pipeline.errors import RefusedError
from pipeline.permissions.principals import Principal, everything, of_permissions
from pipeline.service_keys.keys import actor_of, api_key_of, digest_of, id_in
from pipeline.settings.declarations import ApiKey
from pipeline.settings.loading import settings
from pipeline.store.engine import transaction
from pipeline.store.service_keys.keys import note_used, read_key

_OPEN = "open"


def principal_at_terminal() -> Principal:
    """Who types a command: the bearer of AFLUENTE_TOKEN; without one the account of this machine, who has the
    installation's keys and files anyway and so may everything.

    Raises RefusedError for a token that is no key, or for none where the settings want one.
    """
    token = settings().terminal_token()
    if token:
        return principal_of(find_bearer(token))
    if (wanted := settings().access.command_line) != _OPEN:
        raise RefusedError(
            f"commands need a key here (access.command_line is {wanted}): set AFLUENTE_TOKEN to one that"
            " `afluente keys create` made"
        )
    return everything(os_actor())


def principal_of(key: ApiKey) -> Principal:
    """Who a key stands for, and what it may do."""
    return of_permissions(
        actor_of(key), key.permissions, brands=key.brands, sources=key.sources, ends_at=key.expires_at
    )


def find_bearer(token: str) -> ApiKey:
    """The key of the database that this text is, asked for now. Raises RefusedError."""
    key_id = id_in(token.strip())
    with transaction(synchronous=False) as connection:
        stored = read_key(connection, key_id) if key_id else None
        is_it = hmac.compare_digest(stored.digest if stored else bytes(32), digest_of(token.strip()))
        if stored is None or not is_it:
            raise RefusedError("AFLUENTE_TOKEN is no key that is known here: `afluente keys create` makes one")
        if stored.revoked_at is not None:
            raise RefusedError(f"the key {stored.key_id} of AFLUENTE_TOKEN was revoked")
        if stored.expires_at is not None and stored.expires_at <= datetime.now(UTC):
            raise RefusedError(f"the key {stored.key_id} of AFLUENTE_TOKEN expired on {stored.expires_at:%Y-%m-%d}")
        if stored.networks:
            raise RefusedError(
                f"the key {stored.key_id} of AFLUENTE_TOKEN is for requests from some networks, not for commands"
            )
        note_used(connection, [stored.key_id])
    return api_key_of(stored)
