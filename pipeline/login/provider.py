"""The provider: its description (discovery), its keys, and the calls to it.

What it says is kept while it is away, for a day; keys are had anew every hour, and at once for a key that nobody
knows, but no more often than once a minute: a stranger's tokens must not make us call. What is no set of keys (an error
page, an empty set) never takes the place of one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, urlsplit

import requests

from connectors.kit.errors import AfluenteError
from connectors.kit.http import BearerToken, Session, session, translated
from connectors.kit.token_server import FORM_HEADERS, error_of, json_of
from pipeline.errors import ConfigurationError
from pipeline.login.errors import ProviderAwayError, SignInError
from pipeline.login.tokens import ProviderKey, header_of, open_token, read_keys
from pipeline.settings.secrets import reference
from pipeline.settings.sign_in_settings import SignInSettings

_FRESH_SECONDS = 3_600.0
_KEPT_SECONDS = 86_400.0
_AGAIN_SECONDS = 60.0  # after a key that nobody knows
_AWAY_SECONDS = 5.0  # after a call in vain: who waits behind it does not wait as long again
_PATIENCE_SECONDS = 8.0  # of a call: somebody sits in front of a browser
_MAX_ANSWER_BYTES = 1_048_576
_CLIENT_ERRORS = ("invalid_client", "unauthorized_client")
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_ADVICE = "Sessions that are open go on; a local administrator can sign in meanwhile"


class Provider:
    """Of one issuer. Shared by the threads of a process. `clock` gives seconds from any beginning."""

    def __init__(
        self, access: SignInSettings, environ: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if access.issuer is None or access.client_id is None:
            raise ConfigurationError("access.sign_in.issuer and access.sign_in.client_id are not set in afluente.yaml")
        self.issuer: str = access.issuer
        self.client_id: str = access.client_id
        self._secret = (
            None if access.client_secret is None else reference(access.client_secret, "access.sign_in.client_secret")
        )
        self._environ = environ
        self._clock = clock
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] | None = None
        self._keys: list[ProviderKey] = []
        self._read_at = float("-inf")
        self._asked_at = float("-inf")
        self._asked_for_key_at = float("-inf")
        self.trouble = ""  # why the last call to it was in vain

    def metadata(self) -> dict[str, Any]:
        """What the provider says of itself. Raises ProviderAwayError."""
        with self._lock:
            self._refresh(is_unknown_key=False)
            if self._metadata is None:
                raise ProviderAwayError(f"{self.trouble}. {_ADVICE}")
            return self._metadata

    def open(self, token: str) -> dict[str, Any]:
        """The claims of a token that the provider signed. Raises SignInError, ProviderAwayError."""
        header = header_of(token)
        with self._lock:
            self._refresh(is_unknown_key=False)
            if self._metadata is None:
                raise ProviderAwayError(f"{self.trouble}. {_ADVICE}")
            if not self._suiting(header):
                self._refresh(is_unknown_key=True)
            suiting = self._suiting(header)
        if not suiting:
            raise SignInError("key_unknown", "the provider's token is signed with a key that it does not show")
        return open_token(token, suiting)

    def _suiting(self, header: Mapping[str, Any]) -> list[ProviderKey]:
        """The key of this name; where the token names none, all of them."""
        kid = header.get("kid")
        return [key for key in self._keys if kid is None or key.kid == kid]

    def origins(self) -> set[str]:
        """Where browsers are sent, as far as it is known without asking."""
        known = self._metadata or {}
        addresses = [self.issuer, known.get("authorization_endpoint"), known.get("end_session_endpoint")]
        parts = [urlsplit(address) for address in addresses if isinstance(address, str)]
        return {f"{part.scheme}://{part.netloc}" for part in parts}

    def _refresh(self, *, is_unknown_key: bool) -> None:
        """Ask anew where it is time. What went wrong is kept in `trouble`; what is known stays, for a day."""
        now = self._clock()
        is_due = now - self._read_at > _FRESH_SECONDS and now - self._asked_at >= _AWAY_SECONDS
        if is_unknown_key and now - self._asked_for_key_at >= _AGAIN_SECONDS:
            self._asked_for_key_at = now
            is_due = True
        if is_due:
            self._asked_at = now
            try:
                metadata = self._read_metadata()
                keys = self._read_keys(metadata["jwks_uri"])
            except AfluenteError as error:
                self.trouble = str(error)
            else:
                self._metadata, self._keys, self._read_at, self.trouble = metadata, keys, now, ""
        if now - self._read_at > _KEPT_SECONDS:
            self._metadata, self._keys = None, []

    def _read_metadata(self) -> dict[str, Any]:
        """Raises ProviderAwayError."""
        address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = self._get(address, "the sign-in provider's description")
        if found.get("issuer") != self.issuer:
            raise ProviderAwayError(
                "the sign-in provider's description names another issuer than access.sign_in.issuer: write it letter by"
                " letter as the provider does, a / at its end included"
            )
        for name in _NEEDED:
            self._check_address(found.get(name), name)
        for name in ("end_session_endpoint", "userinfo_endpoint"):
            if found.get(name) is not None:
                self._check_address(found[name], name)
        return found

    def _check_address(self, address: Any, name: str) -> None:
        parts = urlsplit(address) if isinstance(address, str) else None
        schemes = ("https", "http") if self.issuer.startswith("http://") else ("https",)
        if parts is None or parts.scheme not in schemes or not parts.hostname:
            raise ProviderAwayError(f"the sign-in provider's description has no {name} that can be called")

    def _read_keys(self, address: str) -> list[ProviderKey]:
        """Raises ProviderAwayError."""
        keys = read_keys(self._get(address, "the sign-in provider's keys"))
        if not keys:
            raise ProviderAwayError("the sign-in provider shows no key that could sign")
        return keys

    def _get(self, address: str, what: str, *, token: str | None = None) -> dict[str, Any]:
        try:
            with translated(what), _line(address) as http:
                answer = http.get(
                    address,
                    headers={"Accept": "application/json"},
                    auth=None if token is None else BearerToken(token),
                )
        except AfluenteError as error:
            raise ProviderAwayError(str(error)) from None
        found = json_of(answer)
        if answer.status_code != 200 or not found:
            raise ProviderAwayError(f"{what}: answered {answer.status_code} and no JSON object")
        return found

    def ask_user(self, access_token: str, subject: str) -> dict[str, Any]:
        """What the provider says of whom the token is for; {} where it has no address for that. Raises SignInError."""
        address = self.metadata().get("userinfo_endpoint")
        if address is None:
            return {}
        found = self._get(address, "the sign-in provider's word on the user", token=access_token)
        if found.get("sub") != subject:
            raise SignInError("wrong_user", "the provider spoke of somebody else than its token did")
        return found

    def exchange(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
        """What the provider gives for a code: `id_token` and more. Raises SignInError, ProviderAwayError."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        metadata = self.metadata()
        for secret in self._secrets():
            answer = self._post_form(metadata, form, secret)
            found = json_of(answer)
            if answer.status_code == 200 and isinstance(found.get("id_token"), str):
                return found
            error, _ = error_of(answer)
            if error not in _CLIENT_ERRORS:
                break
        if error == "invalid_grant":
            raise SignInError("code_refused", "the provider does not take the code that came: sign in anew")
        if error in _CLIENT_ERRORS:
            if self._secret is not None:
                self._secret.renew(self._environ)  # for the next who tries
            raise SignInError(
                "client_refused",
                "the provider does not take access.sign_in.client_id with its secret: whoever runs this can mend it",
            )
        if answer.status_code >= 500:
            raise ProviderAwayError(f"the sign-in provider answered {answer.status_code}. {_ADVICE}")
        said = error or f"status {answer.status_code}"
        raise SignInError("code_refused", f"the provider gave no token for the code ({said}): sign in anew")

    def _secrets(self) -> list[str | None]:
        """The client's secrets, the newest first, which one after the other are tried while one replaces another."""
        return [None] if self._secret is None else [*self._secret.values(self._environ)]

    def _post_form(self, metadata: Mapping[str, Any], form: dict[str, str], secret: str | None) -> requests.Response:
        methods = metadata.get("token_endpoint_auth_methods_supported")
        mark = None
        if secret is not None and (not isinstance(methods, list) or "client_secret_basic" in methods):
            mark = (quote_plus(self.client_id), quote_plus(secret))  # RFC 6749, 2.3.1
        else:
            form = {**form, "client_id": self.client_id, **({} if secret is None else {"client_secret": secret})}
        address = str(metadata["token_endpoint"])
        try:
            with translated("the sign-in provider's token server"), _line(address) as http:
                return http.post(address, data=form, headers=FORM_HEADERS, auth=mark, allow_redirects=False)
        except AfluenteError as error:
            raise ProviderAwayError(f"{error}. {_ADVICE}") from None


def _line(address: str) -> Session:
    return session(
        address,
        timeout_seconds=_PATIENCE_SECONDS,
        answer_seconds=_PATIENCE_SECONDS,
        max_answer_bytes=_MAX_ANSWER_BYTES,
    )
