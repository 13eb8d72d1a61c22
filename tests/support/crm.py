"""Short ways to write to a sandbox, to tell it what to do wrong and to look inside."""

from __future__ import annotations

import requests

from connectors.destinations.salesforce import DESTINATION
from connectors.kit import Connection, Record

UPSERT = "/services/data/v67.0/composite/sobjects/Lead/Afluente_Id__c"


def writer(sandbox, **more):
    return DESTINATION.connect(Connection("sandbox", sandbox.address, **more))


def record(key="p-1", **fields):
    return Record(key, {"LastName": "Brandt", "Company": "Brandt GmbH", **fields})


def order(sandbox, **faults):
    answer = requests.post(f"{sandbox.address}/_faults", json=faults, timeout=5)
    assert answer.status_code == 200, answer.text


def records(sandbox):
    return requests.get(f"{sandbox.address}/_records", timeout=30).json()


def totals(sandbox):
    return requests.get(f"{sandbox.address}/_calls", timeout=5).json()["records"]


def calls(sandbox):
    """Calls by route and answer."""
    return requests.get(f"{sandbox.address}/_calls", timeout=5).json()["calls"]


def call(sandbox, method, path, **more):
    token = requests.post(
        f"{sandbox.address}/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=("sandbox", "sandbox"),
        timeout=5,
    ).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, sandbox.address + path, headers=headers, timeout=5, **more)
