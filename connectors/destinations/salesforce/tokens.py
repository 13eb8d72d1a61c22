"""How Salesforce lets us in: which grant the secrets are for, where the account lives, and what a refusal means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.kit import ConfigurationError, Connection, TerminalError
from connectors.kit.http import Session
from connectors.kit.oauth import FetchedToken, FixedToken, SignedAssertion, TokenSource

_PRODUCTION, _SANDBOX = "https://login.salesforce.com", "https://test.salesforce.com"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_GRANTS = "access_token; client_id and private_key; client_id and refresh_token; or client_id and client_secret"
# What Salesforce says of a refused grant, in its own words and lower case, and what an admin is to do.
_REMEDIES_BY_WORDS = (
    ("hasn't approved this consumer", "pre-authorize the user for the app (its policy: admin approved users)"),
    (
        "audience is invalid",
        "set options.audience to https://login.salesforce.com, or test.salesforce.com of a sandbox",
    ),
    ("expired access/refresh token", "the refresh token is not valid any more: authorize the app again"),
    ("inactive user", "the user is switched off in Salesforce: name one who is active"),
    ("no client credentials user", "set the app's run-as user"),
    ("not supported on this domain", "set base_url to the My Domain host, not login.salesforce.com"),
    ("ip restricted", "let this machine's address in: relax the app's IP restrictions, or list the address"),
)
_REMEDIES = {
    "invalid_grant": "the user, the app's approval or the key do not fit; an admin has to act",
    "invalid_client_id": "the app is not known here: compare client_id with its consumer key",
    "invalid_client": "compare client_id and client_secret with the app",
    "invalid_app_access": "the app lets this user not in: assign its permission set or profile",
    "invalid_assertion": "the certificate at the app is not that of private_key, or this machine's clock is wrong",
    "unsupported_grant_type": "switch the flow on at the app",
    "inactive_user": "the user is switched off in Salesforce: name one who is active",
    "inactive_org": "the organization is switched off or its trial is over",
}


class Instance:
    """Where the account lives. A token's answer tells it; until then it is the address of the settings."""

    def __init__(self, name: str, base_url: str) -> None:
        self._name = name
        self._asked = base_url
        self._base_url = base_url

    def note(self, answer: Mapping[str, Any]) -> None:
        """Follow the `instance_url` of a token's answer. Raises TerminalError for one that a token must not be sent to:
        neither https, nor this machine, nor what the settings say."""
        told = answer.get("instance_url")
        if not isinstance(told, str) or not told:
            return
        told = told.rstrip("/")
        parts = urlsplit(told)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not parts.hostname or not (is_safe or told == self._asked):
            raise TerminalError(
                f"{self._name}: the token's answer names an instance_url that is not https; no call is made there:"
                " check base_url and options.token_url"
            )
        self._base_url = told

    def locate(self, url: str) -> str:
        """An address below that of the settings, at the instance."""
        return self._base_url + url.removeprefix(self._asked) if url.startswith(self._asked) else url


def token_source(connection: Connection, http: Session, instance: Instance) -> TokenSource:
    """By the secrets that are given. Raises ConfigurationError for those that let nobody in."""
    secrets, options = connection.secrets, connection.options
    place = f"destinations.{connection.name}"
    if "access_token" in secrets:
        return FixedToken(secrets["access_token"])
    url = options.get("token_url") or f"{connection.base_url.rstrip('/')}/services/oauth2/token"
    if not secrets.get("client_id") or not any(map(secrets.get, ("private_key", "refresh_token", "client_secret"))):
        raise ConfigurationError(f"{place}.secrets: give {_GRANTS}, as env:NAME or file:PATH")
    if "private_key" in secrets:
        if not options.get("username"):
            raise ConfigurationError(f"{place}.options.username is not set: the user whom the app acts for")
        try:
            return SignedAssertion(
                http,
                url,
                issuer=secrets["client_id"],
                subject=str(options["username"]),
                audience=str(options.get("audience") or _audience(connection.base_url)),
                private_key=secrets["private_key"],
                remedy=_remedy,
                note=instance.note,
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}.secrets.private_key: {error}") from None
    grant = "refresh_token" if "refresh_token" in secrets else "client_credentials"
    names = ("client_id", "client_secret", "refresh_token")  # an app may ask for no secret with a refresh token
    form = {"grant_type": grant, **{name: secrets[name] for name in names if secrets.get(name)}}
    return FetchedToken(http, url, form, remedy=_remedy, note=instance.note)


def _audience(base_url: str) -> str:
    host = urlsplit(base_url).hostname or ""
    is_sandbox = host == urlsplit(_SANDBOX).hostname or ".sandbox." in host or "--" in host.partition(".")[0]
    return _SANDBOX if is_sandbox else _PRODUCTION


def _remedy(code: str, description: str) -> str | None:
    said = (remedy for words, remedy in _REMEDIES_BY_WORDS if words in description)
    return next(said, None) or _REMEDIES.get(code)
