"""How an account lets us in: by a key that does not change, or by OAuth."""

from __future__ import annotations

from connectors.kit import ConfigurationError, Connection
from connectors.kit.http import Session
from connectors.kit.oauth import FixedToken, RefreshToken, TokenSource


def token_source(connection: Connection, http: Session) -> TokenSource:
    secrets = connection.secrets
    if "access_token" in secrets:
        return FixedToken(secrets["access_token"])
    if not all(secrets.get(name) for name in ("client_id", "client_secret", "refresh_token")):
        raise ConfigurationError(
            f"destinations.{connection.name}.secrets: give access_token, or client_id, client_secret and refresh_token,"
            " as env:NAME or file:PATH"
        )
    return RefreshToken(
        http,
        connection.options.get("token_url") or f"{connection.base_url.rstrip('/')}/oauth/v1/token",
        client_id=secrets["client_id"],
        client_secret=secrets["client_secret"],
        refresh_token=secrets["refresh_token"],
    )
