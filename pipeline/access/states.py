"""How it stands with the tokens of sources: who is connected, until when, and what to do where one is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from connectors.kit import Connector
from connectors.kit.sources.auth import Grant
from pipeline.access.sources import asking_auth_of, auth_in_force
from pipeline.access.tokens import digest_of, how_to_connect
from pipeline.settings.loading import Settings
from pipeline.store.source_tokens import GIVEN, REFUSED, StoredToken, TokenKey

CONNECTED, NOT_CONNECTED, BY_ITSELF = "connected", "not connected", "by itself"
CLOSED = {  # and what to say of it
    NOT_CONNECTED: "is not connected: nobody has agreed at the source",
    REFUSED: "has lost its access: it has ended or was taken back",
}


class AccessState(msgspec.Struct, frozen=True):
    """The token of a source of a brand. `state`: `connected`; `not connected`; `refused`, since the source takes back
    what it gave; `by itself`, where nobody has to agree. `expires_at`: of the token at hand, which is renewed before.
    `remedy`: what to do, None if nothing.
    """

    source: str
    brand: str
    state: str
    scopes: str | None
    connected_at: datetime | None
    refreshed_at: datetime | None
    expires_at: datetime | None
    last_error: str | None
    remedy: str | None


def access_states(
    known: Settings, connectors: Mapping[str, Connector], tokens: Mapping[TokenKey, StoredToken]
) -> list[AccessState]:
    """Of every source of afluente.yaml that is let in by tokens, and every connected one, by name and brand.
    `connectors`: by the names of sources, as they are set up here."""
    return list(_states(known, connectors, tokens))


def state_in_force(
    known: Settings, slug: str, brand: str, connector: Connector, tokens: Mapping[TokenKey, StoredToken] | None
) -> AccessState | None:
    """Of a source of a brand as it is let in now; None where that is not by tokens, or nobody looked (`tokens`)."""
    if tokens is None:
        return None
    auth = auth_in_force(known, slug, brand, connector.intake)
    if auth is None and (brand, slug) in tokens:  # it was connected to be asked what it has posted
        auth = asking_auth_of(connector)
    if auth is None or auth.grant is None:
        return None
    return access_state(slug, brand, connector, auth.grant, tokens.get((brand, slug)))


def access_state(slug: str, brand: str, connector: Connector, grant: Grant, token: StoredToken | None) -> AccessState:
    """A token that is kept for another grant, as before a change of the settings, is none."""
    if token is not None and token.granted_for not in (None, digest_of(grant, connector.source)):
        token = None
    word = _word(grant, token)
    return AccessState(
        source=slug,
        brand=brand,
        state=word,
        scopes=token.scopes if token else None,
        connected_at=token.connected_at if token else None,
        refreshed_at=token.refreshed_at if token else None,
        expires_at=token.expires_at if token else None,
        last_error=token.last_error if token else None,
        remedy=None if word not in CLOSED else how_to_connect(slug, brand),
    )


def _word(grant: Grant, token: StoredToken | None) -> str:
    if not grant.needs_a_human:
        return BY_ITSELF
    if token is not None and token.state == REFUSED:
        return REFUSED
    return CONNECTED if token is not None and token.state == GIVEN else NOT_CONNECTED


def _states(
    known: Settings, connectors: Mapping[str, Connector], tokens: Mapping[TokenKey, StoredToken]
) -> Iterator[AccessState]:
    for slug in sorted({*known.sources, *(slug for _, slug in tokens)}):
        entry, connector = known.source(slug), connectors.get(slug)
        if connector is None or not entry.enabled:
            continue
        for brand in entry.brands or sorted(known.brands):
            if (state := state_in_force(known, slug, brand, connector, tokens)) is not None:
                yield state
