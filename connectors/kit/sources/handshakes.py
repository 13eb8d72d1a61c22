"""How sources make sure that an address is ours before they send leads there. Values for the usual schemes.

A handshake is answered and never stored. One that the source signs as it signs leads is proven first; for the others
the answer gives nothing away: an echo, or a digest by a secret that both sides know.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from connectors.kit.errors import AfluenteError
from connectors.kit.paths import get_path
from connectors.kit.sources.declarations import Answer, Handshake, Question, Secret, Webhook

_ECHO_LENGTH = 4_096  # characters; tokens have some dozens
_BODY_BYTES = 65_536  # of a request that may be one
_PING_BYTES = 200


class HandshakeRefusedError(AfluenteError):
    """It is a handshake, and the token in it is not ours."""


@dataclass(frozen=True, slots=True)
class VerifyToken:
    """A GET that carries a token which was agreed on, and a challenge that is sent back as it is (Meta, WebSub)."""

    token: Secret
    token_param: str = "hub.verify_token"  # noqa: S105 - the parameter's name
    challenge_param: str = "hub.challenge"
    is_signed: bool = field(default=False, init=False)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.token,)

    def answer(self, question: Question) -> Answer | None:
        challenge = question.query.get(self.challenge_param)
        if question.method != "GET" or challenge is None:
            return None
        given = question.query.get(self.token_param, "").encode()
        known = [secret.encode() for secret in question.secrets_of(self.token) if secret]
        is_ours = False
        for secret in known:  # all of them: the time taken does not tell which was near
            is_ours |= hmac.compare_digest(secret, given)
        if not is_ours:
            raise HandshakeRefusedError("the verification token is not ours")
        return _text(challenge)


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token that is sent back with its HMAC-SHA256 (Zoom: `ZoomValidation`, X: `CrcToken`).

    It stands at the path `at` of a POST whose body says what `when` says, or in the parameter `param` of a GET. The
    answer is JSON: the token under `token_key`, `prefix` and its HMAC under `digest_key`.
    """

    secret: Secret
    at: str | None = None
    when: Mapping[str, str] = field(default_factory=dict)
    param: str | None = None
    digest_key: str = "response_token"
    token_key: str | None = None
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return (self.secret,)

    @property
    def is_signed(self) -> bool:
        return self.at is not None

    def answer(self, question: Question) -> Answer | None:
        token = _given(question, self.at, self.when, self.param)
        if token is None:
            return None
        known = [secret for secret in question.secrets_of(self.secret) if secret]
        if not known:
            raise HandshakeRefusedError("the secret that answers it is not set here")
        digest = hmac.new(known[0].encode(), token.encode(), hashlib.sha256).digest()
        written = digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()
        answer = {self.token_key: token} if self.token_key else {}
        return _json({**answer, self.digest_key: self.prefix + written})


def ZoomValidation(secret: Secret) -> SignedToken:  # noqa: N802 - reads as the value it makes
    """Zoom's `endpoint.url_validation`; `secret` is that of its signature."""
    return SignedToken(
        secret,
        at="payload.plainToken",
        when={"event": "endpoint.url_validation"},
        token_key="plainToken",  # noqa: S106 - a key of the answer
        digest_key="encryptedToken",
    )


def CrcToken(secret: Secret) -> SignedToken:  # noqa: N802 - reads as the value it makes
    """The challenge-response check of X (Twitter): `crc_token`, answered with its HMAC in base64."""
    return SignedToken(secret, param="crc_token", prefix="sha256=", encoding="base64")


@dataclass(frozen=True, slots=True)
class Echo:
    """A token that is sent back as it is: as text, or as JSON under `key`, or in the header `header` of the answer.

    It stands in the parameter `param` (of a GET or a POST: Microsoft Graph's `validationToken`, Dropbox's `challenge`),
    in the request's own header `header_at` (Okta, Asana), or at the path `at` of a POST whose body says what `when`
    says (Slack: `SlackChallenge`).
    """

    param: str | None = None
    at: str | None = None
    when: Mapping[str, str] = field(default_factory=dict)
    header_at: str | None = None
    key: str | None = None
    header: str | None = None
    is_signed: bool = False

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return ()

    def answer(self, question: Question) -> Answer | None:
        if self.header_at is not None:
            token = question.headers.get(self.header_at.lower())
        elif self.param is not None:
            token = question.query.get(self.param)
        else:
            token = _given(question, self.at, self.when, None)
        if token is None or len(token) > _ECHO_LENGTH:
            return None
        if self.header is not None:
            if not (token.isprintable() and token.isascii()):
                return None
            return Answer(headers=((self.header, token),))
        return _text(token) if self.key is None else _json({self.key: token})


def SlackChallenge() -> Echo:  # noqa: N802 - reads as the value it makes
    """Slack's `url_verification`, which is signed as its events are."""
    return Echo(at="challenge", when={"type": "url_verification"}, key="challenge", is_signed=True)


def GraphValidation() -> Echo:  # noqa: N802 - reads as the value it makes
    """Microsoft Graph's `?validationToken=…`, sent back as text."""
    return Echo(param="validationToken")


@dataclass(frozen=True, slots=True)
class Greeting:
    """A GET or HEAD that only wants a 2xx (Mailchimp, Trello)."""

    reply: Answer = field(default_factory=Answer)
    secrets: tuple[Secret, ...] = field(default=(), init=False)
    is_signed: bool = field(default=False, init=False)

    def answer(self, question: Question) -> Answer | None:
        return self.reply if question.method in {"GET", "HEAD"} else None


@dataclass(frozen=True, slots=True)
class FormPing:
    """A POST of a form that holds one field and nothing else, unsigned, and only wants a 2xx (WooCommerce)."""

    name: str
    reply: Answer = field(default_factory=Answer)
    secrets: tuple[Secret, ...] = field(default=(), init=False)
    is_signed: bool = field(default=False, init=False)

    def answer(self, question: Question) -> Answer | None:
        is_form = question.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        if question.method != "POST" or not is_form or len(question.body) > _PING_BYTES:
            return None
        name, _, value = question.body.strip().partition(b"=")
        return self.reply if name == self.name.encode() and value.isalnum() else None


def handshakes_of(webhook: Webhook) -> tuple[Handshake, ...]:
    """Those that a webhook declares as values; a function is asked by whoever takes the request."""
    declared = webhook.handshake
    if declared is None or (callable(declared) and not hasattr(declared, "answer")):
        return ()
    # Functions are told apart above, which the type checker does not see.
    return declared if isinstance(declared, tuple) else (declared,)  # type: ignore[return-value]


def secrets_of_webhook(webhook: Webhook) -> tuple[Secret, ...]:
    """All that a webhook declares: its signature's, then those of its handshakes, each once."""
    signature = (webhook.signature.secret,) if webhook.signature is not None else ()
    beside = (secret for handshake in handshakes_of(webhook) for secret in handshake.secrets)
    return tuple(dict.fromkeys((*signature, *beside)))


def ask(handshakes: Sequence[Handshake], question: Question) -> Answer | None:
    """The first answer. Raises HandshakeRefusedError."""
    answers = (handshake.answer(question) for handshake in handshakes)
    return next((answer for answer in answers if answer is not None), None)


def _given(question: Question, at: str | None, when: Mapping[str, str], param: str | None) -> str | None:
    if at is None:
        return question.query.get(param) if param is not None and question.method == "GET" else None
    if question.method != "POST" or len(question.body) > _BODY_BYTES:
        return None
    try:
        content: Any = orjson.loads(question.body)
    except orjson.JSONDecodeError:
        return None
    token = get_path(content, at)
    is_meant = all(get_path(content, path) == value for path, value in when.items())
    return token if is_meant and isinstance(token, str) and token and len(token) <= _ECHO_LENGTH else None


def _text(text: str) -> Answer | None:
    if len(text) > _ECHO_LENGTH:
        return None
    return Answer(body=text, content_type="text/plain", headers=_AS_IT_IS)


def _json(content: dict[str, Any]) -> Answer:
    return Answer(body=orjson.dumps(content).decode())


# What is sent back is a stranger's text: no browser may take it for a page.
_AS_IT_IS = (("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", "default-src 'none'; sandbox"))
