"""The schemas that `/openapi.json` names. tests ask everything it describes and hold the answers against them."""

from __future__ import annotations

from typing import Any

from pipeline.canonical import CANONICAL_FIELDS, CONSENTS, IDENTIFYING_FIELDS
from pipeline.records import CONFIRMED, CONSENT_MOMENTS, CONSENT_TEXTS, WITHDRAWING
from pipeline.records.webhooks import WEBHOOK_EVENTS

Json = dict[str, Any]

CONSENT_ACTS_BY_API = (*WITHDRAWING, CONFIRMED)

_LIST_KINDS = ("emails", "phones")
_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_ID: Json = {"type": "string", "format": "uuid"}
_TIME: Json = {"type": "string", "format": "date-time"}


def all_schemas() -> Json:
    """By the name that `$ref` uses."""
    return {
        "Lead": _lead(),
        "Consent": _consent(),
        "ConsentStatement": _consent_statement(),
        "Taken": _taken(),
        "TakenConsents": _taken_consents(),
        "LeadStatus": _lead_status(),
        "Hook": _hook(),
        "Hooks": _object({"hooks": {"type": "array", "items": _ref("Hook")}}),
        "Subscribed": _object({"id": _TEXT, "event": _event(), "secret": _TEXT}),
        "Messages": {"type": "array", "items": {"type": "object"}},
        "Health": _object({"status": {"enum": ["live", "ready", "degraded", "unready"]}}),
        "Refusal": _refusal(),
    }


def answer(meaning: str, schema: str) -> Json:
    """A JSON answer of a schema by its name."""
    return {"description": meaning, "content": {"application/json": {"schema": _ref(schema)}}}


def field_schema(name: str) -> Json:
    """The schema of a canonical field."""
    kind = CANONICAL_FIELDS[name]
    if kind in _LIST_KINDS:
        return {"type": "array", "items": {"type": "string"}}
    if kind == "count":
        return {"type": "integer"}
    return {"type": "string", **({"format": "date-time"} if kind == "time" else {})}


def _lead() -> Json:
    properties: Json = {name: field_schema(name) for name in CANONICAL_FIELDS}
    properties[CONSENTS] = {"type": "array", "items": _ref("Consent")}
    return {
        "type": "object",
        "properties": properties,
        "anyOf": [{"required": [name]} for name in IDENTIFYING_FIELDS],
        "additionalProperties": True,
    }


def _consent() -> Json:
    return {
        "type": "object",
        "properties": {
            "purpose": {"type": "string"},
            "channel": {"type": "string"},
            "granted": {"type": ["boolean", "null"]},
            "at": {"type": "string", "format": "date-time"},
            "source": {"type": "string"},
            "policy_version": {"type": "string"},
            "act": {"enum": list(WITHDRAWING)},
            **dict.fromkeys(CONSENT_TEXTS, _TEXT),
            **dict.fromkeys(CONSENT_MOMENTS, _TIME),
        },
        "required": ["purpose", "channel"],
    }


def _consent_statement() -> Json:
    own = _consent()
    own["properties"] = {**own["properties"], "act": {"enum": list(CONSENT_ACTS_BY_API)}}
    return {
        "type": "object",
        "properties": {
            "statement_id": {"type": "string", "maxLength": 255},
            "email": _TEXT,
            "phone": _TEXT,
            "person_id": _ID,
            "occurred_at": _TIME,
            "consents": {"type": "array", "items": own, "minItems": 1, "maxItems": 50},
        },
        "anyOf": [{"required": [name]} for name in ("email", "phone", "person_id")],
        "required": ["consents"],
    }


def _taken_consents() -> Json:
    taken = {"event_id": _ID, "statement_id": {"type": ["string", "null"]}, "repeated": {"type": "boolean"}}
    rejected = {"index": _COUNT, "field": {"type": ["string", "null"]}, "message": _TEXT}
    return _object(
        {
            "accepted": {"type": "array", "items": _object(taken)},
            "rejected": {"type": "array", "items": _object(rejected)},
        }
    )


def _taken() -> Json:
    nothing_or_text = {"type": ["string", "null"]}
    return {
        "type": "object",
        "properties": {
            "accepted": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "event_id": {"type": "string", "format": "uuid"},
                        "external_id": nothing_or_text,
                        "repeated": {"type": "boolean"},
                        "revises": {
                            "type": "string",
                            "format": "uuid",
                            "description": "The event that said something else under the same external_id",
                        },
                    },
                },
            },
            "rejected": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "index": {"type": "integer"},
                        "field": nothing_or_text,
                        "message": {"type": "string"},
                    },
                },
            },
        },
    }


def _lead_status() -> Json:
    quarantine = _object(
        {"quarantine_id": _ID, "stage": _TEXT, "code": _TEXT, "field": _or_null(_TEXT), "message": _TEXT}
    )
    delivery = _object(
        {
            "destination": _TEXT,
            "state": _TEXT,
            "wanted_version": _COUNT,
            "sent_version": _or_null(_COUNT),
            "external_id": _or_null(_TEXT),
            "attempts": _COUNT,
            "last_error": _or_null({}),
            "loaded_at": _or_null(_TIME),
        }
    )
    return _object(
        {
            "event_id": _ID,
            "external_id": _or_null(_TEXT),
            "brand": _TEXT,
            "source": _TEXT,
            "lane": _TEXT,
            "state": {"enum": ["pending", "in_flight", "settled", "quarantined", "suppressed"]},
            "received_at": _TIME,
            "occurred_at": _or_null(_TIME),
            "settled_at": _or_null(_TIME),
            "person_id": _or_null(_ID),
            "channel": _or_null(_TEXT),
            "quarantine": _or_null(quarantine),
            "deliveries": {"type": "array", "items": delivery},
        }
    )


def _hook() -> Json:
    return _object(
        {
            "id": _TEXT,
            "event": _event(),
            "host": _TEXT,
            "state": _TEXT,
            "since": _TIME,
            "brands": _or_null({"type": "array", "items": _TEXT}),
            "key": _or_null(_TEXT),
            "last_code": _or_null(_TEXT),
        }
    )


def _refusal() -> Json:
    refusal = _object({"error": _TEXT, "message": _TEXT})
    places = {"line": _or_null(_COUNT), "column": _or_null(_COUNT), "field": _or_null(_TEXT)}
    return {**refusal, "properties": {**refusal["properties"], **places}}


def _event() -> Json:
    return {"type": "string", "enum": list(WEBHOOK_EVENTS)}


def _object(properties: Json) -> Json:
    """An object that has all of these, and may have more."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
