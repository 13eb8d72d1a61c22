"""Answers of Salesforce, word by word, and a writer that hears them from the scripted server."""

from __future__ import annotations

import json

from connectors.destinations.salesforce import DESTINATION
from connectors.kit import Connection, Record

FIELDS = {"LastName": "Brandt", "Company": "Brandt GmbH", "Email": "ada.brandt@example.org"}
UPSERT = "/services/data/v67.0/composite/sobjects/Lead/Afluente_Id__c"


def connection(url, **more):
    return Connection("crm", url, **{"secrets": {"access_token": "t"}, "timeout_seconds": 5.0, **more})


def writer(url, **more):
    return DESTINATION.connect(connection(url, **more))


def batch(size):
    return [Record(f"key-{number}", {**FIELDS, "FirstName": f"Ada{number}"}) for number in range(size)]


def said(value, status=200, **headers):
    return status, headers, json.dumps(value).encode()


def good(number=0, **more):
    return {"id": f"00Q00000000000{number}", "success": True, "errors": [], **more}


def bad(code, message="", fields=()):
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields)}]}


def write(server, *answers, size=1, **more):
    server.script = list(answers)
    return writer(server.url, **more).write(batch(size))
