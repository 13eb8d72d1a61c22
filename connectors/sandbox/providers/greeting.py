"""The handshake that a provider makes before it sends to an address: asked as it asks, the answer held against what
the declaration says that it must be."""

from __future__ import annotations

import secrets as random_secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
import requests

from connectors.kit.errors import AfluenteError
from connectors.kit.paths import parse_path
from connectors.kit.sources.declarations import Handshake, Question, Webhook
from connectors.kit.sources.handshakes import Echo, FormPing, SignedToken, VerifyToken, handshakes_of
from connectors.sandbox.providers.signing import signed_headers

_TIMEOUT_SECONDS = 10.0


class RefusedGreetingError(AfluenteError):
    """The address did not answer a handshake as it must: a provider would send nothing there."""


def greet(webhook: Webhook, url: str, secrets: Mapping[str, str]) -> int:
    """Make every declared handshake. Returns how many. Raises RefusedGreetingError."""
    handshakes = handshakes_of(webhook)
    with requests.Session() as session:
        for handshake in handshakes:
            _make(webhook, handshake, url, secrets, session)
    return len(handshakes)


def _make(
    webhook: Webhook, handshake: Handshake, url: str, secrets: Mapping[str, str], session: requests.Session
) -> None:
    method, query, body, content_type = _asked(handshake, secrets)
    address = url + (f"?{urlencode(query)}" if query else "")
    headers = {"Content-Type": content_type} if body else {}
    if isinstance(handshake, Echo) and handshake.header_at is not None:
        headers[handshake.header_at] = random_secrets.token_hex(12)
    if handshake.is_signed and webhook.signature is not None:
        secret = secrets.get(webhook.signature.secret.name, "")
        headers |= signed_headers(webhook.signature, secret, body, "msg_greeting", address, now=time.time())
    lower = {name.lower(): value for name, value in headers.items()}
    values = {name: [value] for name, value in secrets.items()}
    wanted = handshake.answer(Question(method, query, lower, body, lambda secret: values.get(secret.name, [])))
    try:
        answer = session.request(method, address, data=body, headers=headers, timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise RefusedGreetingError(f"the address does not answer a handshake ({type(error).__name__})") from None
    if wanted is None or answer.status_code != wanted.status or answer.text != wanted.body:
        raise RefusedGreetingError(
            f"the address answered a handshake ({type(handshake).__name__}) with {answer.status_code} and not as it"
            " must: are its secrets the same on both sides?"
        )


def _asked(handshake: Handshake, secrets: Mapping[str, str]) -> tuple[str, dict[str, str], bytes, str]:
    """Method, query, body and its type."""
    token = random_secrets.token_hex(12)
    match handshake:
        case VerifyToken():
            known = secrets.get(handshake.token.name, "")
            query = {"hub.mode": "subscribe", handshake.token_param: known, handshake.challenge_param: token}
            return "GET", query, b"", ""
        case SignedToken() | Echo() if handshake.at is not None:
            return "POST", {}, orjson.dumps(_body(handshake.when, handshake.at, token)), "application/json"
        case SignedToken() | Echo() if handshake.param is not None:
            return "GET", {handshake.param: token}, b"", ""
        case FormPing():
            return "POST", {}, f"{handshake.name}=17".encode(), "application/x-www-form-urlencoded"
    return "GET", {}, b"", ""


def _body(when: Mapping[str, str], at: str, token: str) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for path, value in (*when.items(), (at, token)):
        *way, last = parse_path(path)
        node = body
        for step in way:
            node = node.setdefault(str(step), {})
        node[str(last)] = value
    return body
