"""Short ways to write contacts to HubSpot's dialect, or to a server with its answers word by word."""

from __future__ import annotations

import json

import requests

from connectors.destinations.hubspot import DESTINATION
from connectors.kit import Connection, Record
from connectors.sandbox.dialects.hubspot.tokens import FIXED_TOKEN

CONTACTS = "/crm/v3/objects/contacts"
UPSERT = f"{CONTACTS}/batch/upsert"
UPDATE = f"{CONTACTS}/batch/update"
READ = f"{CONTACTS}/batch/read"
OAUTH = {"client_id": "i", "client_secret": "s", "refresh_token": "r"}


def connection(url, **more):
    return Connection("crm", url, **{"secrets": {"access_token": "t"}, "timeout_seconds": 5.0, **more})


def writer(url, **more):
    return DESTINATION.connect(connection(url, **more))


def person(number=0, key=None, **fields):
    known = {"email": f"ada{number}@example.org", "firstname": "Ada", "lastname": f"Brandt{number}"}
    return Record(key or f"key-{number}", {**known, **fields})


def people(count):
    return [person(number) for number in range(count)]


def mark(key, into="key-0"):
    return Record(key, {"afluente_merged_into": into}, update_only=True)


def said(value, status=200, **headers):
    return status, headers, json.dumps(value).encode()


def good(number=0, *, new=True, key=None, **more):
    return {"id": f"90{number}", "new": new, "properties": {}, "objectWriteTraceId": key or f"key-{number}", **more}


def bad(category, message="", key="key-0", **more):
    return {
        "status": "error",
        "category": category,
        "message": message,
        "context": {"objectWriteTraceId": [key]},
        "errors": [],
        **more,
    }


def invalid(code, name="email", said_of_it="is invalid", **more):
    issue = {"isValid": False, "message": said_of_it, "error": code, "name": name}
    return bad("VALIDATION_ERROR", f"Property values were not valid: {json.dumps([issue])}", **more)


def batch(results, errors=()):
    """An answer to a batch."""
    body = {"status": "COMPLETE", "results": list(results), "startedAt": "x", "completedAt": "y"}
    if not errors:
        return said(body)
    return said({**body, "numErrors": len(errors), "errors": list(errors)}, 207)


def write(server, *answers, size=1, **more):
    server.script = list(answers)
    return writer(server.url, **more).write(people(size))


def sent(server, call=0):
    """What a call carried."""
    return json.loads(server.asked[call]["body"])


def paths(server):
    return [asked["path"] for asked in server.asked]


def by_hand(sandbox, method, path, body=None):
    """A call as somebody else's program makes it."""
    headers = {"Authorization": f"Bearer {FIXED_TOKEN}"}
    return requests.request(method, sandbox.address + path, json=body, headers=headers, timeout=5)


def make_contact(sandbox, **properties):
    answer = by_hand(sandbox, "POST", CONTACTS, {"properties": properties})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]
