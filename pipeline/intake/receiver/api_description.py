"""The API's own description: `/openapi.json`, and `/docs` as one page without scripts or anything from other hosts."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

from connectors.kit import Connector, Webhook
from connectors.kit.registry import shipped_sources
from pipeline.canonical import CANONICAL_FIELDS, CONSENTS, IDENTIFYING_FIELDS
from pipeline.intake.description import schemas
from pipeline.intake.instances import SourceBook
from pipeline.intake.receiver import api_hooks
from pipeline.intake.receiver.api_leads import MAX_BODY_BYTES, MAX_LEADS
from pipeline.intake.receiver.consents import api as api_consents
from pipeline.intake.receiver.consents import pages
from pipeline.intake.receiver.people import api as people_api
from pipeline.settings.declarations import ApiKey

Json = dict[str, Any]

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


class Described(NamedTuple):
    """What is told of brands and sources: rows of address, title, formats and proof."""

    brands: list[str]
    webhooks: list[tuple[str, str, str, str]]
    note: str = ""

    @property
    def sources(self) -> list[str]:
        return sorted({address.rpartition("/")[2] for address, *_ in self.webhooks})


def describe(book: SourceBook, key: ApiKey | None) -> Described:
    """What may be read here: with a key, or where `receiver.describe_sources` is set, the brands and sources there are.

    Strangers get the sources that come with the program as examples, under a brand that need not be there.
    """
    if key is None and not book.settings.receiver.describe_sources:
        shipped = sorted(shipped_sources().items())
        rows = [_row("default", slug, connector) for slug, connector in shipped if _is_webhook(connector)]
        return Described([], rows, "These are examples: with an API key as bearer the page names the ones there are.")
    instances = [instance for instance in book.of_brands() if key is None or key.allows(instance.brand)]
    return Described(
        sorted(brand for brand in book.settings.brands if key is None or key.allows(brand)),
        [
            _row(instance.brand, instance.slug, instance.connector)
            for instance in instances
            if _is_webhook(instance.connector)
        ],
    )


def document(known: Described) -> Json:
    """The OpenAPI 3.1 document of this receiver."""
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
            **api_consents.described_paths(_refusals),
            **pages.described_paths(_refusals, _path_parameter),
            **api_hooks.described_paths(_refusals, _path_parameter),
            **people_api.described_paths(_refusals, _path_parameter),
            "/in/{brand}/{source}": {
                "parameters": [
                    _path_parameter("brand", {"enum": known.brands} if known.brands else {"examples": ["default"]}),
                    _path_parameter("source", {"enum" if known.brands else "examples": known.sources}),
                ],
                "post": _post_webhook(),
                "get": {
                    "summary": "The source's verification handshake",
                    "responses": {
                        "200": {"description": "What the source expects"},
                        **_refusals(400, 403, 404, 405, 421, 431, 500, 503),
                    },
                },
            },
            **_watched_paths(),
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "AFLUENTE_API_KEYS"}},
            "schemas": schemas.all_schemas(),
        },
    }


def _watched_paths() -> Json:
    """What proxies, orchestrators and websites read."""
    return {
        "/health/live": {"get": _shown("The process answers", {"200": schemas.answer("It does", "Health")})},
        "/health/ready": {
            "get": _shown(
                "Leads can be stored (broker away: degraded)",
                {
                    "200": schemas.answer("They can", "Health"),
                    "503": schemas.answer("They cannot", "Health"),
                },
            )
        },
        "/metrics": {
            "get": _shown("Figures for Prometheus", {"200": _text("Its text format", "text/plain"), **_refusals(503)})
        },
        "/form.js": {
            "get": _shown(
                "The script of a website's forms",
                {"200": _text("The script", "text/javascript"), "304": {"description": "It is the one named"}},
            )
        },
    }


def page(known: Described) -> str:
    """The same for people, as HTML."""
    routes = "".join(
        f"<tr><td><code>{method.upper()} {escape(path)}</code></td><td>{escape(operation['summary'])}</td></tr>"
        for path, operations in document(known)["paths"].items()
        for method, operation in operations.items()
        if method in ("get", "post", "delete")
    )
    sources = "".join(
        f"<tr><td><code>{escape(address)}</code></td><td>{escape(title)}</td><td>{escape(formats)}</td><td>{proof}</td></tr>"
        for address, title, formats, proof in known.webhooks
    )
    fields = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(schemas.field_schema(name)['type'])}</td></tr>"
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
        f"<h2>Webhooks</h2><p>{escape(known.note)}</p><table><tr><th>address<th>source<th>bodies<th>proof</tr>{sources}</table>"
    )


def _row(brand: str, slug: str, connector: Connector) -> tuple[str, str, str, str]:
    webhook = connector.intake
    assert isinstance(webhook, Webhook)  # noqa: S101 - as the callers choose them
    formats = ", ".join(_FORMATS[name] for name in webhook.formats)
    return f"/in/{brand}/{slug}", connector.title, formats, _proof(webhook)


def _proof(webhook: Webhook) -> str:
    if webhook.signature is None:
        return "not signed"
    return "signed" if getattr(webhook.signature, "signs_body", True) else "a secret that is shown"


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
            "202": schemas.answer("Stored", "Taken"),
            **_refusals(400, 401, 403, 404, 405, 408, 413, 415, 421, 429, 431, 500, 503),
        },
    }


def _get_lead() -> Json:
    return {
        "summary": "State, person and deliveries of one lead",
        "security": [{"key": []}],
        "parameters": [_path_parameter("event_id", {"format": "uuid"})],
        "responses": {
            "200": schemas.answer("Where the lead is", "LeadStatus"),
            **_refusals(400, 401, 403, 404, 405, 429, 431, 500, 503),
        },
    }


def _post_webhook() -> Json:
    return {
        "summary": "A source's webhook",
        "description": "Bodies, signature and answer are as the source declares them. Never 410.",
        "requestBody": {"content": {name.partition(" ")[0]: {} for name in _FORMATS.values()}},
        "responses": {
            "2XX": {"description": "Stored"},
            **_refusals(400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 429, 431, 500, 503),
        },
    }


def _shown(summary: str, responses: Json) -> Json:
    return {"summary": summary, "responses": {**responses, **_refusals(400, 405, 431)}}


def _text(meaning: str, media_type: str) -> Json:
    return {"description": meaning, "content": {media_type: {"schema": {"type": "string"}}}}


def _path_parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", **schema}}


def _refusals(*statuses: int) -> Json:
    meanings = {
        400: "Unreadable; the answer names the place",
        401: "No, wrong or outdated credentials or signature",
        403: "The key's role or the token does not allow this",
        404: "No such source, brand or event",
        405: "Not this way",
        409: "There are as many subscriptions as are allowed",
        408: "Headers or body did not come in time",
        413: "Too large",
        415: "Content type or encoding is not accepted",
        421: "Leads of this brand are taken in another region; `address` says where",
        422: "A source that signs nothing sent many entries that identify nobody",
        429: "Too fast; see Retry-After",
        431: "The headers are too large",
        500: "A fault of this program; nothing was taken",
        503: "Nothing was stored; see Retry-After",
    }
    return {str(status): schemas.answer(meanings[status], "Refusal") for status in statuses}
