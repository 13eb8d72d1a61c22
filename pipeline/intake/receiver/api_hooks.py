"""`/v1/hooks`: other systems subscribe to events (REST hooks), see their subscriptions and end them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from connectors.kit.sources.records import UnreadableBody, decode_body
from pipeline.audit.acting import acting_as
from pipeline.errors import NotFoundError, TransientError, UsageError
from pipeline.errors import RefusedError as NotAllowedError
from pipeline.intake.arrivals import JSON
from pipeline.intake.description import schemas
from pipeline.intake.receiver.answers import RefusedError, json_answer, unavailable
from pipeline.intake.receiver.auth import authorize
from pipeline.intake.receiver.receiver import Answered, Receiver
from pipeline.intake.receiver.request_bodies import read_body
from pipeline.records.webhooks import WEBHOOK_EVENTS
from pipeline.service_keys.keys import actor_of
from pipeline.settings.declarations import ApiKey
from pipeline.webhooks import hooks
from pipeline.webhooks.hooks import HOOK_PERMISSION

_MAX_BODY_BYTES = 16_384

Json = dict[str, Any]


async def subscribe_or_list(receiver: Receiver, request: Request) -> Response:
    """One route for both, so that `Allow` names both. Raises RefusedError."""
    return await (subscribe if request.method == "POST" else list_hooks)(receiver, request)


async def subscribe(receiver: Receiver, request: Request) -> Response:
    """201 with the id and, this once, the secret. Raises RefusedError."""
    key = _authorized(receiver, request)
    body = await read_body(request, _MAX_BODY_BYTES, receiver.body_work, "hooks")
    event, target_url = _read_subscription(body)
    known = receiver.settings
    await _check(receiver, event, target_url)
    made = await _ask(receiver, key, lambda: hooks.subscribe(known, key, event=event, target_url=target_url))
    return json_answer({"id": made.hook_id, "event": event, "secret": made.secret}, status=201)


async def unsubscribe(receiver: Receiver, request: Request) -> Response:
    """204; 404 for what is no subscription, or is none any more. Raises RefusedError."""
    key = _authorized(receiver, request)
    hook_id = request.path_params["hook_id"]
    await _ask(receiver, key, lambda: hooks.unsubscribe(key, hook_id))
    return Response(status_code=204)


async def list_hooks(receiver: Receiver, request: Request) -> Response:
    """The subscriptions of the brands that the key serves. Raises RefusedError."""
    key = _authorized(receiver, request)
    found = await _ask(receiver, key, lambda: hooks.list_hooks(key))
    return json_answer({"hooks": [msgspec.structs.asdict(hook) for hook in found]})


async def sample(receiver: Receiver, request: Request) -> Response:
    """A list of one invented message, as tools ask for it while an automation is set up. Raises RefusedError."""
    key = _authorized(receiver, request)
    try:
        return json_answer([hooks.sample(receiver.settings, request.path_params["event"], key)])
    except UsageError as error:
        raise RefusedError(404, "unknown_event", str(error)) from None


def _authorized(receiver: Receiver, request: Request) -> ApiKey:
    key = authorize(request, receiver.keys, HOOK_PERMISSION)
    if not receiver.settings.hooks.enabled:
        raise RefusedError(403, "hooks_disabled", "hooks.enabled is false in the settings of this installation")
    return key


async def _check(receiver: Receiver, event: str, target_url: str) -> None:
    def check() -> None:
        hooks.check_subscription(receiver.settings, event=event, target_url=target_url)

    try:
        await receiver.look_up(check)
    except UsageError as error:
        raise RefusedError(400, "unusable_hook", str(error), field=error.argument) from None
    except TransientError:
        said = "names a host that no name server told the address of in time: ask again"
        raise RefusedError(400, "unusable_hook", said, field="target_url") from None


async def _ask(receiver: Receiver, key: ApiKey, question: Callable[[], Answered]) -> Answered:
    try:
        with acting_as(actor_of(key)):
            return await receiver.ask(question)
    except NotFoundError as error:
        raise RefusedError(404, "unknown_hook", str(error)) from None
    except NotAllowedError as error:
        raise RefusedError(409, "too_many_hooks", str(error)) from None
    except TransientError:
        raise unavailable("the database did not answer; see GET /v1/hooks before you ask again") from None


def _read_subscription(body: bytes) -> tuple[str, str]:
    """`event` and `target_url`; some tools write `targetUrl` or `hookUrl`."""
    try:
        content: Any = decode_body(body, JSON, formats=("json",))
    except UnreadableBody as error:
        raise RefusedError(400, error.code, error.message, line=error.line, column=error.column) from None
    if not isinstance(content, dict):
        raise RefusedError(400, "unusable_hook", "send a JSON object with event and target_url")
    target = next((content[name] for name in ("target_url", "targetUrl", "hookUrl") if name in content), None)
    for name, value in (("event", content.get("event")), ("target_url", target)):
        if not isinstance(value, str) or not value.strip():
            raise RefusedError(400, "unusable_hook", f"{name} must be a text", field=name)
    return str(content["event"]).strip(), str(target).strip()


def described_paths(refusals: Callable[..., Json], path_parameter: Callable[[str, Json], Json]) -> Json:
    """These routes for `/openapi.json`. `refusals` describes statuses, `path_parameter` a part of an address."""
    event = {"type": "string", "enum": list(WEBHOOK_EVENTS)}
    body = {"type": "object", "properties": {"event": event, "target_url": {"type": "string", "format": "uri"}}}
    own: list[Json] = [{"key": []}]
    return {
        "/v1/hooks": {
            "post": {
                "summary": "Subscribe an address to an event; the answer has its signing secret, this once",
                "security": own,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {**body, "required": ["event", "target_url"]}}},
                },
                "responses": {
                    "201": schemas.answer("Subscribed; the secret is shown this once", "Subscribed"),
                    **refusals(400, 401, 403, 405, 408, 409, 413, 415, 429, 431, 500, 503),
                },
            },
            "get": {
                "summary": "The subscriptions there are",
                "security": own,
                "responses": {
                    "200": schemas.answer("Those of the key's brands", "Hooks"),
                    **refusals(401, 403, 405, 429, 431, 500, 503),
                },
            },
        },
        "/v1/hooks/{hook_id}": {
            "delete": {
                "summary": "End a subscription",
                "security": own,
                "parameters": [path_parameter("hook_id", {})],
                "responses": {"204": {"description": "Ended"}, **refusals(401, 403, 404, 405, 429, 431, 500, 503)},
            }
        },
        "/v1/hooks/sample/{event}": {
            "get": {
                "summary": "What a message of an event looks like",
                "security": own,
                "parameters": [path_parameter("event", {"enum": list(WEBHOOK_EVENTS)})],
                "responses": {
                    "200": schemas.answer("A list of one invented message", "Messages"),
                    **refusals(401, 403, 404, 405, 429, 431, 500, 503),
                },
            }
        },
    }
