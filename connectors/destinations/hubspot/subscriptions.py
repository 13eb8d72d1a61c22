"""Consents in HubSpot: whether an address is subscribed to a type of message, set in batches.

HubSpot has no record of its own for that: an address (or a number), a subscription type and a channel have a state. So
nothing of ours is kept there, and what was set once is set again without harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import requests

from connectors.destinations.hubspot.answers import (
    Refusal,
    raise_for,
    read_json,
    read_refusal,
    read_usage,
)
from connectors.destinations.hubspot.emails import waits
from connectors.destinations.hubspot.tokens import token_source
from connectors.kit import (
    NO_LINKS,
    ConfigurationError,
    Connection,
    DescribedField,
    ObjectType,
    Record,
    RecordError,
    TransientError,
    Usage,
    WriteResult,
    check_batch,
)
from connectors.kit.authorized_http import AuthorizedCalls
from connectors.kit.http import session
from connectors.kit.redaction import without_values

NAME = "subscriptions"
BATCH_SIZE = 100
WHO, WHAT, STATE, CHANNEL = "subscriberIdString", "subscriptionId", "statusState", "channel"
SUBSCRIBED, UNSUBSCRIBED, NOT_SPECIFIED = STATES = ("SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED")
CHANNELS = ("EMAIL", "SMS", "WHATSAPP")
LEGAL_BASES = (
    "LEGITIMATE_INTEREST_PQL",
    "LEGITIMATE_INTEREST_CLIENT",
    "PERFORMANCE_OF_CONTRACT",
    "CONSENT_WITH_NOTICE",
    "NON_GDPR",
    "PROCESS_AND_STORE",
    "LEGITIMATE_INTEREST_OTHER",
)
Question = tuple[str, str, str]


class SubscriptionWriter:
    """Not shared between threads: it holds one HTTP session. One call a write, none where nothing is to be set.

    Two records of a call may be about one address, type and channel: two people with one mailbox, or one person with
    two records. The refusal counts, and one input is sent for both.
    """

    def __init__(self, connection: Connection) -> None:
        self.usage = Usage()
        self.sent_as = f"{NAME} by address"
        self._name = connection.name
        base_url = connection.base_url.rstrip("/")
        self._root = base_url + _path(connection.name, connection.options.get("api_version", "v3"))
        self._session = session(base_url, timeout_seconds=connection.timeout_seconds, reach=connection.reach)
        self._session.headers["Accept"] = "application/json"
        tokens = token_source(connection, self._session)
        self._calls = AuthorizedCalls(
            self._name, self._session, tokens, before_call=connection.before_call, note=self._note_usage
        )

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        check_batch(records, BATCH_SIZE)
        asked = {record.key: _question(record) for record in records}
        inputs: dict[Question, dict[str, Any]] = {}
        for record in records:
            question = asked[record.key]
            if question is not None and (question not in inputs or record.fields[STATE] == UNSUBSCRIBED):
                inputs[question] = _input(record, question)
        if not inputs:
            return [_not_told(record) for record in records]
        settled = self._set(inputs, records)
        return [
            _not_told(record) if question is None else settled[question].result(record)
            for record, question in ((record, asked[record.key]) for record in records)
        ]

    def delete(self, records: Sequence[Record]) -> list[WriteResult]:
        """No call: HubSpot keeps a state for an address as long as it has the contact, which goes by itself."""
        check_batch(records, BATCH_SIZE)
        message = "what an address is subscribed to goes with its contact"
        return [WriteResult(record.key, "written", code="goes_with_contact", message=message) for record in records]

    def describe(self) -> tuple[DescribedField, ...]:
        """One call, for the subscription types of the account."""
        ids = tuple(str(entry.get("id")) for entry in self._definitions() if entry.get("id") is not None)
        return (
            DescribedField(WHO, "text", is_key=True),
            DescribedField(WHAT, "picklist", values=ids, converts=True),
            DescribedField(STATE, "picklist", values=STATES),
            DescribedField(CHANNEL, "picklist", values=CHANNELS),
            DescribedField("legalBasis", "picklist", values=LEGAL_BASES),
            DescribedField("legalBasisExplanation", "text"),
        )

    def check(self) -> None:
        """Asks for the subscription types of the account."""
        self._definitions()

    def close(self) -> None:
        self._session.close()

    def _definitions(self) -> list[Mapping[str, Any]]:
        response = self._calls.request("GET", f"{self._root}/definitions")
        raise_for(response, self._name)
        found = read_json(response).get("results")
        if not isinstance(found, list):
            raise TransientError(f"{self._name}: answered {response.status_code} without a list of subscription types")
        return [entry for entry in found if isinstance(entry, dict)]

    def _set(self, inputs: Mapping[Question, dict[str, Any]], records: Sequence[Record]) -> dict[Question, _Settled]:
        """One call. Raises RecordError where it is refused as a whole for what is in it, of several inputs."""
        body = orjson.dumps({"inputs": list(inputs.values())})
        headers = {"Content-Type": "application/json"}
        response = self._calls.request("POST", f"{self._root}/statuses/batch/write", body, headers)
        answer = read_json(response)
        if response.status_code in (400, 413):
            refusal = read_refusal(answer) if response.status_code == 400 else Refusal("call_too_large")
            if len(inputs) > 1:
                raise _record_error(refusal, records)
            return {question: _Settled(refusal=refusal) for question in inputs}
        raise_for(response, self._name)
        if not isinstance(answer.get("results"), list):
            raise TransientError(f"{self._name}: answered {response.status_code} without a list of results")
        said = [entry for entry in answer["results"] if isinstance(entry, dict)]
        done = {(_folded(entry.get(WHO)), str(entry.get(WHAT)), str(entry.get(CHANNEL))): entry for entry in said}
        errors = answer.get("errors")
        refusals = [read_refusal(entry) for entry in errors if isinstance(entry, dict)] if errors else []
        left = [question for question in inputs if question not in done]
        if refusals and not done and len(inputs) > 1:
            raise _record_error(refusals[0], records)
        settled = {question: _Settled(is_done=True) for question in done}
        # A refusal names nobody: where one input is left it can only be of that one.
        only = refusals[0] if len(left) == 1 and len(refusals) == 1 else None
        return settled | {question: _Settled(refusal=only) for question in left}

    def _note_usage(self, response: requests.Response) -> None:
        self.usage = read_usage(response) or self.usage


SUBSCRIPTIONS = ObjectType(NAME, ("consent",), links=NO_LINKS, open=SubscriptionWriter)


class _Settled:
    """What became of an input."""

    def __init__(self, *, is_done: bool = False, refusal: Refusal | None = None) -> None:
        self._is_done, self._refusal = is_done, refusal

    def result(self, record: Record) -> WriteResult:
        if self._is_done:
            return WriteResult(record.key, "written", crm_id=str(record.fields[WHAT]))
        if self._refusal is None:
            return waits(record, "no_result", "the answer says nothing of this address")
        return self._refusal.result(record, WHO)


def _question(record: Record) -> Question | None:
    """None: there is nothing to set, as its mapping has no subscription type for it, or nobody knows an address."""
    who, what, state = (record.fields.get(name) for name in (WHO, WHAT, STATE))
    if not (who and what and state):
        return None
    return _folded(who), str(what), str(record.fields.get(CHANNEL) or CHANNELS[0])


def _input(record: Record, question: Question) -> dict[str, Any]:
    given = {name: value for name, value in record.fields.items() if value is not None}
    _, what, channel = question
    return {**given, WHAT: int(what) if what.isascii() and what.isdigit() else what, CHANNEL: channel}


def _folded(value: Any) -> str:
    return str(value or "").strip().lower()


def _not_told(record: Record) -> WriteResult:
    message = "no call was made: the mapping has no subscription type for it, or no address is known"
    return WriteResult(record.key, "written", code="no_subscription", message=message)


def _record_error(refusal: Refusal, records: Sequence[Record]) -> RecordError:
    values = [value for record in records for value in record.fields.values()]
    return RecordError(refusal.code, field=refusal.property_name, message=without_values(refusal.message, values))


def _path(destination: str, version: Any) -> str:
    """Beside the third version of objects stands the fourth of these."""
    text = str(version)
    if re.fullmatch(r"v\d+", text):
        return "/communication-preferences/v4"
    if re.fullmatch(r"\d{4}-\d{2}", text):
        return f"/communication-preferences/{text}"
    raise ConfigurationError(
        f"destinations.{destination}.options.api_version is {text!r}; allowed: v3 or such as 2026-03"
    )
