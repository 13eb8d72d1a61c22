"""Heron: people upserted by a ref of ours, 50 a call, one outcome for each in an order of its own."""

from collections.abc import Sequence

import orjson
import requests

from connectors.kit import (
    Connection,
    DescribedField,
    DestinationType,
    FoundRecord,
    KnownPerson,
    Lookup,
    PeoplePage,
    Record,
    RecordError,
    Usage,
    WriteResult,
    check_batch,
)
from connectors.kit.authorized_http import AuthorizedCalls
from connectors.kit.http import check_status, json_list, json_object, session
from connectors.kit.oauth import ClientCredentials
from connectors.kit.redaction import without_values

BATCH_SIZE = 50
_MAY_PASS_LATER = {"locked"}
_BLAME_SETTINGS = {"unknown_field", "no_right"}
_JSON = {"Content-Type": "application/json"}
_CANONICAL = {"email": "email", "given_name": "first_name", "family_name": "last_name", "employer": "company"}


class HeronWriter:
    """One account. Each thread has a writer of its own."""

    sent_as = "people by ref"

    def __init__(self, connection: Connection) -> None:
        self.usage = Usage()
        self._name = connection.name
        self._url = connection.base_url.rstrip("/")
        self._session = session(self._url, timeout_seconds=connection.timeout_seconds)
        tokens = ClientCredentials(
            self._session,
            f"{self._url}/oauth/token",
            client_id=connection.secrets["client_id"],
            client_secret=connection.secrets["client_secret"],
        )
        self._calls = AuthorizedCalls(self._name, self._session, tokens, before_call=connection.before_call, note=self._note_usage)

    def write(self, records: Sequence[Record]) -> list[WriteResult]:
        check_batch(records, BATCH_SIZE)
        if not records:
            return []
        people = [
            {"ref": record.key, "attributes": record.fields, "only_existing": record.update_only} for record in records
        ]
        outcome = self._outcome("people/bulk", {"people": people})
        return [self._result(record, outcome.get(record.key)) for record in records]

    def read(self, keys: Sequence[str]) -> dict[str, FoundRecord]:
        people = self._people(self._post("people/by-ref", {"refs": list(keys)}))
        return {person["ref"]: FoundRecord(person["id"], person["ref"], person["attributes"]) for person in people}

    def delete(self, records: Sequence[Record]) -> list[WriteResult]:
        outcome = self._outcome("people/forget", {"refs": [record.key for record in records]})
        results = []
        for record in records:
            status = (outcome.get(record.key) or {}).get("status")
            if status in ("forgotten", "missing"):
                code = "record_gone" if status == "missing" else None
                results.append(WriteResult(record.key, "written", crm_id=record.crm_id, code=code))
            else:
                results.append(WriteResult(record.key, "retry", code="no_result", message="nothing is said of it"))
        return results

    def find(self, lookups: Sequence[Lookup]) -> dict[str, tuple[KnownPerson, ...]]:
        emails = [email for lookup in lookups for email in lookup.emails]
        people = [_known(person) for person in self._people(self._post("people/search", {"emails": emails}))]
        found = {}
        for lookup in lookups:
            wanted = {email.lower() for email in lookup.emails}
            theirs = tuple(person for person in people if person.values.get("email", "").lower() in wanted)
            if theirs:
                found[lookup.key] = theirs
        return found

    def list_people(self, cursor: str | None = None) -> PeoplePage:
        answer = self._get(f"people?after={cursor or 0}")
        following = answer.get("next")
        people = tuple(_known(person) for person in self._people(answer))
        return PeoplePage(people, None if following is None else str(following))

    def describe(self) -> tuple[DescribedField, ...]:
        fields = json_list(self._get("fields"), "fields", self._name)
        return tuple(DescribedField(field["name"], field["type"], field["length"]) for field in fields)

    def check(self) -> None:
        check_status(self._calls.request("GET", f"{self._url}/api/me"), self._name)

    def close(self) -> None:
        self._session.close()

    def _result(self, record: Record, said: dict | None) -> WriteResult:
        status = (said or {}).get("status")
        if status in ("created", "updated") and said.get("id"):
            return WriteResult(record.key, "written", crm_id=said["id"], created=status == "created")
        if status == "missing" and record.update_only:
            return WriteResult(record.key, "written", created=False, code="record_gone")
        if status != "refused":
            return WriteResult(record.key, "retry", code="no_result", message="the answer says nothing of this record")
        error = said.get("error") or {}
        code = str(error.get("code") or "no_reason_given")
        return WriteResult(
            record.key,
            "retry" if code in _MAY_PASS_LATER else "rejected",
            code=code,
            field=error.get("field"),
            message=without_values(str(error.get("text") or ""), record.fields.values()),
            blames_setting=code in _BLAME_SETTINGS,
        )

    def _outcome(self, path: str, body: dict) -> dict[str, dict]:
        return {entry.get("ref"): entry for entry in json_list(self._post(path, body), "outcome", self._name)}

    def _people(self, answer: dict) -> list[dict]:
        return json_list(answer, "people", self._name)

    def _post(self, path: str, body: dict) -> dict:
        return self._read(self._calls.request("POST", f"{self._url}/api/{path}", orjson.dumps(body), _JSON))

    def _get(self, path: str) -> dict:
        return self._read(self._calls.request("GET", f"{self._url}/api/{path}"))

    def _read(self, answer: requests.Response) -> dict:
        if answer.status_code in (400, 413):  # it does not say whose value it cannot read
            raise RecordError("call_refused", message=f"answered {answer.status_code}")
        check_status(answer, self._name)
        return json_object(answer, self._name)

    def _note_usage(self, answer: requests.Response) -> None:
        used, _, limit = answer.headers.get("X-Heron-Calls", "").partition("/")
        if used.isdigit() and limit.isdigit():
            self.usage = Usage(int(used), int(limit))


def _known(person: dict) -> KnownPerson:
    attributes = person["attributes"]
    values = {name: attributes[field] for field, name in _CANONICAL.items() if field in attributes}
    return KnownPerson(person["id"], person["ref"], values)


DESTINATION = DestinationType(
    kind="heron",
    title="Heron",
    docs_url="https://developers.heron.example/people",
    open=HeronWriter,
    batch_size=BATCH_SIZE,
    calls_per_second=5.0,
    burst=5,
    secrets=("client_id", "client_secret"),
    merge="mark",
)
