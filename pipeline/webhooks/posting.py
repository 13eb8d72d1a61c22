"""One signed message posted to one endpoint, by a call that goes to public addresses only."""

from __future__ import annotations

import time
from collections import defaultdict
from uuid import UUID

import requests

from connectors.kit.guarded_http import GuardedSession, refusal_in
from connectors.kit.http import retry_after
from connectors.kit.public_addresses import fault_of_url
from pipeline.webhooks.answers import Call
from pipeline.webhooks.endpoints import OpenEndpoint
from pipeline.webhooks.signing import signed_headers


class Lines:
    """Sessions kept for their open connections. One that is taken is nobody else's until it is put back."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[GuardedSession]] = defaultdict(list)

    def post(self, endpoint: OpenEndpoint, message_id: UUID, body: bytes) -> Call:
        """Never raises for what the endpoint or the network does."""
        try:
            line = self._idle[endpoint.name].pop()
        except IndexError:
            policy = endpoint.policy
            line = GuardedSession(timeout_seconds=policy.timeout_seconds, allow_private=policy.allow_private)
        try:
            return post_message(line, endpoint, message_id, body)
        finally:
            self._idle[endpoint.name].append(line)

    def close(self) -> None:
        for lines in self._idle.values():
            for line in lines:
                line.close()


def post_message(line: GuardedSession, endpoint: OpenEndpoint, message_id: UUID, body: bytes) -> Call:
    """One attempt. Never raises for what the endpoint or the network does."""
    now = time.time()
    headers = signed_headers(endpoint.secrets, message_id, body, now)
    if fault_of_url(endpoint.url, allow_private=endpoint.policy.allow_private):
        return Call(None, "address_refused")
    try:
        answer = line.post_once(endpoint.url, body, headers)
    except requests.RequestException as error:
        return Call(None, _code_of(error))
    return Call(answer.status_code, f"http_{answer.status_code}", retry_after(answer, now=now))


def _code_of(error: requests.RequestException) -> str:
    """Why there was no answer, as a word: an exception's text quotes addresses."""
    if refusal_in(error) is not None:
        return "address_refused"
    if isinstance(error, requests.Timeout):
        return "timeout"
    if isinstance(error, requests.exceptions.SSLError):
        return "tls"
    return "no_connection" if isinstance(error, requests.ConnectionError) else "no_usable_answer"
