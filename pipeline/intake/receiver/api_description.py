"""The API's own description: `/openapi.json`, and `/docs` as one page without scripts or anything from other hosts."""

from __future__ import annotations

from html import escape
from typing import Any

from connectors.kit import Connector, Webhook
from pipeline.canonical import CANONICAL_FIELDS, CONSENTS, IDENTIFYING_FIELDS
from pipeline.intake.instances import SourceBook
from pipeline.intake.receiver.api_leads import MAX_BODY_BYTES, MAX_LEADS

Json = dict[str, Any]

_LIST_KINDS = ("emails", "phones")
_FORMATS = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain (holding JSON)",
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a2b33}"
    "code,pre{font:14px/1.5 ui-monospace,monospace;background:#f2f5f6}pre{padding:1rem;overflow:auto}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;"
    "border-bottom:1px solid #d5dde0}h2{margin-top:2.5rem}"
    "@media(prefers-color-scheme:dark){body{background:#12191c;color:#d8e2e6}code,pre{background:#1e282c}"
    "td,th{border-color:#34424a}}"
)
_EXAMPLE = """curl -X POST http://127.0.0.1:8080/v1/leads \\
  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '{"external_id": "crm-4711", "email": "ada@example.org", "first_name": "Ada", "utm_source": "newsletter"}'"""


def document(book: SourceBook) -> Json:
    """The OpenAPI 3.1 document of this receiver, with the sources it knows."""
    webhooks = sorted(slug for slug, connector in book.known.items() if _is_webhook(connector))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Afluente receiver",
            "version": "1",
            "description": "Takes leads and answers once they are stored. A 2xx is a promise, all else took nothing.",
        },
        "paths": {
            "/v1/leads": {"post": _post_leads()},
            "/v1/leads/{event_id}": {"get": _get_lead()},
            "/in/{brand}/{source}": {
                "parameters": [
                    _path_parameter("brand", {"enum": sorted(book.settings.brands)}),
                    _path_parameter("source", {"examples": webhooks}),
                ],
                "post": _post_webhook(),
                "get": {
                    "summary": "The source's verification handshake",
                    "responses": {"200": {"description": "What the source expects"}, **_refusals(403, 404, 405)},
                },
            },
            "/health/live": {"get": _plain("The process answers")},
            "/health/ready": {
                "get": {**_plain("Leads can be stored (broker away: degraded)"), "description": "503 while they cannot"}
            },
            "/metrics": {"get": _plain("Prometheus text format")},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "AFLUENTE_API_KEYS"}},
            "schemas": {"Lead": _lead_schema(), "Consent": _consent_schema(), "Taken": _taken_schema()},
        },
    }


def page(book: SourceBook) -> str:
    """The same for people, as HTML."""
    routes = "".join(
        f"<tr><td><code>{method.upper()} {escape(path)}</code></td><td>{escape(operation['summary'])}</td></tr>"
        for path, operations in document(book)["paths"].items()
        for method, operation in operations.items()
        if method in ("get", "post")
    )
    sources = "".join(
        f"<tr><td><code>/in/{escape(instance.brand)}/{escape(instance.slug)}</code></td><td>{escape(instance.connector.title)}</td>"
        f"<td>{escape(', '.join(_FORMATS[name] for name in instance.webhook.formats))}</td>"
        f"<td>{'signed' if instance.webhook.signature else 'not signed'}</td></tr>"
        for instance in book.of_brands()
        if instance.webhook is not None
    )
    fields = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_field_schema(name)['type'])}</td></tr>"
        for name in CANONICAL_FIELDS
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Afluente receiver</title><style>{_STYLE}</style><h1>Afluente receiver</h1>"
        "<p>Takes leads and answers once they are stored: a 2xx is a promise, anything else took nothing and may be"
        ' sent again. Refusals are JSON: <code>{"error": word, "message": sentence}</code>. The machine-readable form'
        " of this page is <a href=/openapi.json>/openapi.json</a>.</p>"
        f"<h2>Routes</h2><table>{routes}</table>"
        f"<h2>Post a lead</h2><pre>{escape(_EXAMPLE)}</pre>"
        f"<p>One object, or a list of up to {MAX_LEADS}. Each is taken or rejected by itself. All fields are optional,"
        f" but one of {', '.join(f'<code>{name}</code>' for name in IDENTIFYING_FIELDS)} must be there.</p>"
        f"<table><tr><th>field<th>type</tr>{fields}<tr><td><code>{CONSENTS}</code><td>list of objects: purpose,"
        " channel, granted, at, source, policy_version</tr></table><p>Other fields are kept and reported.</p>"
        f"<h2>Webhooks</h2><table><tr><th>address<th>source<th>bodies<th>proof</tr>{sources}</table>"
    )


def _is_webhook(connector: Connector) -> bool:
    return isinstance(connector.intake, Webhook)


def _post_leads() -> Json:
    lead = {"$ref": "#/components/schemas/Lead"}
    return {
        "summary": f"Store one lead, or up to {MAX_LEADS}",
        "description": f"At most {MAX_BODY_BYTES} bytes. Each lead is taken or rejected by itself.",
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "maxLength": 255},
                "description": "The same for a second try: a lead that says the same is answered with repeated: true."
                " It belongs to the API key; other leads under it are taken",
            },
            {
                "name": "brand",
                "in": "query",
                "schema": {"type": "string"},
                "description": "Needed if there are several",
            },
            {"name": "source", "in": "query", "schema": {"type": "string", "default": "api"}},
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [lead, {"type": "array", "items": lead, "maxItems": MAX_LEADS}]}
                }
            },
        },
        "responses": {
            "202": {
                "description": "Stored",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Taken"}}},
            },
            **_refusals(400, 401, 403, 413, 415, 429, 503),
        },
    }


def _get_lead() -> Json:
    return {
        "summary": "State, person and deliveries of one lead",
        "security": [{"key": []}],
        "parameters": [_path_parameter("event_id", {"format": "uuid"})],
        "responses": {"200": {"description": "Where the lead is"}, **_refusals(400, 401, 403, 404, 503)},
    }


def _post_webhook() -> Json:
    return {
        "summary": "A source's webhook",
        "description": "Bodies, signature and answer are as the source declares them. Never 410.",
        "requestBody": {"content": {name.partition(" ")[0]: {} for name in _FORMATS.values()}},
        "responses": {"2XX": {"description": "Stored"}, **_refusals(400, 401, 404, 413, 415, 429, 503)},
    }


def _plain(summary: str) -> Json:
    return {"summary": summary, "responses": {"200": {"description": summary}}}


def _path_parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", **schema}}


def _refusals(*statuses: int) -> Json:
    meanings = {
        400: "Unreadable; the answer names the place",
        401: "No, wrong or outdated credentials or signature",
        403: "The key's role or the token does not allow this",
        404: "No such source, brand or event",
        405: "Not this way",
        413: "Too large",
        415: "Content type or encoding is not accepted",
        429: "Too fast; see Retry-After",
        503: "Nothing was stored; see Retry-After",
    }
    return {str(status): {"description": meanings[status]} for status in statuses}


def _field_schema(name: str) -> Json:
    kind = CANONICAL_FIELDS[name]
    if kind in _LIST_KINDS:
        return {"type": "array", "items": {"type": "string"}}
    if kind == "count":
        return {"type": "integer"}
    return {"type": "string", **({"format": "date-time"} if kind == "time" else {})}


def _lead_schema() -> Json:
    properties: Json = {name: _field_schema(name) for name in CANONICAL_FIELDS}
    properties[CONSENTS] = {"type": "array", "items": {"$ref": "#/components/schemas/Consent"}}
    return {
        "type": "object",
        "properties": properties,
        "anyOf": [{"required": [name]} for name in IDENTIFYING_FIELDS],
        "additionalProperties": True,
    }


def _consent_schema() -> Json:
    return {
        "type": "object",
        "properties": {
            "purpose": {"type": "string"},
            "channel": {"type": "string"},
            "granted": {"type": ["boolean", "null"]},
            "at": {"type": "string", "format": "date-time"},
            "source": {"type": "string"},
            "policy_version": {"type": "string"},
        },
        "required": ["purpose", "channel"],
    }


def _taken_schema() -> Json:
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
