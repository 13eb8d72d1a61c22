"""Answers of Dataverse, word by word, and a writer that hears them from the scripted server or from its sandbox."""

from __future__ import annotations

import json
from urllib.parse import unquote

import requests

from connectors.destinations.dataverse import DESTINATION
from connectors.kit import Connection, Record
from connectors.kit.multipart import Part, boundary_of, read_message, read_parts, write_message, write_parts

API = "/api/data/v9.2"
FIELDS = {
    "lastname": "Brandt",
    "subject": "Demo",
    "companyname": "Brandt GmbH",
    "emailaddress1": "ada.brandt@example.org",
}
LENGTH = "The length of the 'lastname' attribute of the 'lead' entity exceeded the maximum allowed length of '50'."


def connection(url, **more):
    return Connection("crm", url, **{"secrets": {"access_token": "t"}, "timeout_seconds": 5.0, **more})


def writer(url, **more):
    return DESTINATION.connect(connection(url, **more))


def sandbox_writer(sandbox, **more):
    return writer(sandbox.address, **{"secrets": {}, **more})


def batch(size):
    return [Record(f"key-{number}", {**FIELDS, "firstname": f"Ada{number}"}) for number in range(size)]


def guid(number=0):
    return f"{number:08x}-0000-11f1-8000-0022482746b6"


def good(number=0, *, status=200, key=None, place=None, **fields):
    named = {} if key is None else {"new_afluenteid": key}
    return part(status, {"leadid": guid(number), **named, **fields}, place=place)


def done(entity, *, place=None):
    """A 204."""
    return part(204, None, place=place, **({"OData-EntityId": entity} if entity else {}))


def bad(code, message="", *, status=400, place=None, **headers):
    return part(status, {"error": {"code": code, "message": message}}, place=place, **headers)


def part(status, content=None, *, place=None, **headers):
    body = b"" if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
    outer = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary"}
    if place is not None:
        outer["Content-ID"] = str(place)
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    return Part(outer, write_message(f"HTTP/1.1 {status} Whatever", {"OData-Version": "4.0", **own}, body))


def said(*parts, status=200, **headers):
    """The answer to a batch."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return (
        status,
        {"Content-Type": "multipart/mixed; boundary=batchresponse_1", **headers},
        write_parts(parts, "batchresponse_1"),
    )


def refused(status, code="", message="", **headers):
    """The answer to a call as a whole."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return status, {"Content-Type": "application/json", **headers}, body


def write(server, *answers, size=1, **more):
    server.script = list(answers)
    return writer(server.url, **more).write(batch(size))


def sent(call):
    """The requests of a batch as the server got it: (part's headers, request line, headers, JSON)."""
    boundary = boundary_of(call["headers"]["Content-Type"])
    parts = read_parts(call["body"], boundary, most=1_000)
    found = [(part.headers, read_message(part.body)) for part in parts]
    return [(outer, message.start_line, message.headers, json.loads(message.body)) for outer, message in found]


def line(sent_part):
    return unquote(sent_part[1])


def order(sandbox, **faults):
    answer = requests.post(f"{sandbox.address}/_faults", json={"on": API, **faults}, timeout=5)
    assert answer.status_code == 200, answer.text


def records(sandbox):
    return requests.get(f"{sandbox.address}/_records", timeout=30).json()


def totals(sandbox):
    return requests.get(f"{sandbox.address}/_calls", timeout=5).json()["records"]


def batches(sandbox):
    calls = requests.get(f"{sandbox.address}/_calls", timeout=5).json()["calls"]
    return sum(call["calls"] for call in calls if "$batch" in call["route"])


def token(sandbox, **form):
    known = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox"}
    known |= {"scope": f"{sandbox.address}/.default"}
    return requests.post(f"{sandbox.address}/any/oauth2/v2.0/token", data=known | form, timeout=5)


def call(sandbox, method, path, *, headers=None, **more):
    known = {"Authorization": f"Bearer {token(sandbox).json()['access_token']}"}
    url = f"{sandbox.address}{API}/{path}"
    return requests.request(method, url, headers=known | (headers or {}), timeout=5, **more)
