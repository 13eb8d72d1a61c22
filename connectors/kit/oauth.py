"""Access tokens for destinations: a fixed one, or those of OAuth 2.0 (RFC 6749): client credentials (4.4), refresh
tokens (6) and signed assertions (RFC 7523)."""

from __future__ import annotations

import math
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.kit.errors import ConfigurationError, TerminalError, TransientError
from connectors.kit.http import Session, check_status, translated
from connectors.kit.token_server import FORM_HEADERS, error_of, json_of
from connectors.kit.tokens import TokenSource

__all__ = ["ClientCredentials", "FetchedToken", "FixedToken", "RefreshToken", "SignedAssertion", "TokenSource"]

_USED_SHARE_OF_LIFE = 0.8
_BEARER_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE_OF_ASSERTION_SECONDS = 180


class FixedToken:
    """A token that a human made. It cannot be renewed."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        return self._token

    def renew(self) -> bool:
        return False


class FetchedToken:
    """Fetches a token when first needed, when asked to, and when most of the life that it was given (`expires_in`) is
    over. What is refused earlier is renewed once, so a wrong expiry time does no harm.

    `remedy` says what to do about a refusal, from the error's code and description; None: the secrets are named.
    `note` sees each answer that holds a token, for what else it tells.
    """

    def __init__(
        self,
        session: Session,
        token_url: str,
        form: dict[str, str],
        *,
        remedy: Callable[[str, str], str | None] = lambda _code, _description: None,
        note: Callable[[Mapping[str, Any]], None] = lambda _answer: None,
    ) -> None:
        self._session = session
        self._token_url = token_url
        self._form = form
        self._known_remedy = remedy
        self._note = note
        self._token: str | None = None
        self._until = math.inf  # monotonic seconds

    def token(self) -> str:
        if self._token is None or time.monotonic() >= self._until:
            self._token = self._fetch()
        return self._token

    def renew(self) -> bool:
        self._token = None
        self.token()
        return True

    def _fetch(self) -> str:
        what = "fetching an access token"
        with translated(what):
            response = self._session.post(self._token_url, data=self._asked(), headers=FORM_HEADERS)
        if response.status_code in (400, 401):
            code, description = error_of(response)
            known = self._known_remedy(code, description)
            if response.status_code == 400 or known:
                remedy = known or f"check {self._remedy()}"
                raise TerminalError(f"{what}: refused ({code or 'no reason given'}); {remedy}")
        check_status(response, what)
        answer = json_of(response)
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise TransientError(f"{what}: the answer holds no access_token")
        life = answer.get("expires_in")
        if not isinstance(life, int | float) or isinstance(life, bool) or life <= 0:
            life = math.inf
        self._until = time.monotonic() + _USED_SHARE_OF_LIFE * life
        if isinstance(answer.get("refresh_token"), str) and "refresh_token" in self._form:
            self._form["refresh_token"] = answer["refresh_token"]
        self._note(answer)
        return token

    def _asked(self) -> dict[str, str]:
        return self._form

    def _remedy(self) -> str:
        return " and ".join(name for name in ("client_id", "client_secret", "refresh_token") if name in self._form)


class ClientCredentials(FetchedToken):
    """`form` is what a server wants besides, such as `scope`."""

    def __init__(self, session: Session, token_url: str, *, client_id: str, client_secret: str, **form: str) -> None:
        form = {"client_id": client_id, "client_secret": client_secret, **form}
        super().__init__(session, token_url, {"grant_type": "client_credentials", **form})


class RefreshToken(FetchedToken):
    """A token for an app that a human let in once; `form` as above."""

    def __init__(
        self, session: Session, token_url: str, *, client_id: str, client_secret: str, refresh_token: str, **form: str
    ) -> None:
        form = {"client_id": client_id, "client_secret": client_secret, "refresh_token": refresh_token, **form}
        super().__init__(session, token_url, {"grant_type": "refresh_token", **form})


class SignedAssertion(FetchedToken):
    """A token for an assertion (JWT, RS256) that is signed anew each time: `issuer` is the app, `subject` whom it acts
    for, `audience` whom it is meant for. Nothing secret is sent.

    Raises ConfigurationError where `private_key` is no RSA key in PEM without a passphrase.
    """

    def __init__(
        self,
        session: Session,
        token_url: str,
        *,
        issuer: str,
        subject: str,
        audience: str,
        private_key: str,
        **more: Any,
    ) -> None:
        super().__init__(session, token_url, {"grant_type": _BEARER_GRANT}, **more)
        self._claims = {"iss": issuer, "sub": subject, "aud": audience}
        self._key = _rsa_key(private_key)

    def _asked(self) -> dict[str, str]:
        claims = {**self._claims, "exp": int(time.time()) + _LIFE_OF_ASSERTION_SECONDS}
        signed = b".".join(_segment(orjson.dumps(part)) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        signature = _segment(self._key.sign(signed, PKCS1v15(), SHA256()))
        return {**self._form, "assertion": f"{signed.decode()}.{signature.decode()}"}

    def _remedy(self) -> str:
        return "the private key and whom the app may act for"


def _rsa_key(text: str) -> RSAPrivateKey:
    # A variable of the environment often holds the line ends as two signs.
    pem = text.replace("\\n", "\n").strip().encode()
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ConfigurationError("the private key has a passphrase; give one without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError("the private key cannot be read; give an RSA key in PEM") from None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigurationError("the private key is not of RSA; RS256 needs one that is")
    return key


def _segment(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")
