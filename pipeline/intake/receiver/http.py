"""The receiver: an ASGI application that answers once the database has committed.

Starlette on uvicorn: docs/decisions/0010-receiver.md says why. Run it with `python -m pipeline.intake`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from connectors.kit import Connector, sources
from pipeline.errors import AfluenteError, TransientError, place_of
from pipeline.health.keys.standings import read_stores
from pipeline.intake.browser.form_script import answer_script
from pipeline.intake.instances import SourceInstance
from pipeline.intake.receiver import api_description, api_hooks
from pipeline.intake.receiver.answers import RefusedError, json_answer, unavailable
from pipeline.intake.receiver.api_leads import get_lead, post_leads
from pipeline.intake.receiver.auth import authenticate
from pipeline.intake.receiver.consents import pages
from pipeline.intake.receiver.consents.api import post_consents
from pipeline.intake.receiver.people import api as people_api
from pipeline.intake.receiver.receiver import Receiver
from pipeline.intake.receiver.request_counts import TAKEN
from pipeline.intake.receiver.serving import Gate
from pipeline.intake.receiver.webhooks import shake_hands, take_webhook
from pipeline.logs import get_logger
from pipeline.privacy.asking.consent_links import CONFIRM, PREFERENCES
from pipeline.settings.edges.declared import strict_transport
from pipeline.settings.loading import Settings

_PREFLIGHT_SECONDS = "86400"
_log = get_logger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


def create_app(settings: Settings, *, connectors: Mapping[str, Connector] | None = None) -> Starlette:
    """The application. Its threads start with its lifespan and have stored what waited when the lifespan ends.

    `connectors` are the sources it knows, by slug; those found in connectors/sources unless given.
    """
    receiver = Receiver(settings, sources() if connectors is None else connectors)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(read_stores, settings)  # here, as nobody may wait for a store once requests come
        receiver.start()
        _log.info("receiver_started", sources=len(receiver.book.known), brands=len(settings.brands))
        try:
            yield
        finally:
            await asyncio.to_thread(receiver.stop)
            _log.info("receiver_stopped")

    tls = settings.receiver.tls
    app = Starlette(
        routes=_Routes(receiver).table(),
        middleware=[Middleware(Gate, strict_transport=None if tls is None else strict_transport(tls.hsts))],
        lifespan=lifespan,
        exception_handlers={HTTPException: _no_such_route},
    )
    app.router.redirect_slashes = False
    return app


class _Routes:
    """Binds addresses to what answers them."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def table(self) -> list[Route]:
        return [
            Route("/in/{brand}/{source}", self.webhook, methods=["POST", "GET", "OPTIONS"]),
            Route("/v1/leads", self._route("api", post_leads), methods=["POST"]),
            Route("/v1/leads/{event_id}", self._route("status", get_lead), methods=["GET"]),
            Route("/v1/consents", self._route("consents", post_consents), methods=["POST"]),
            Route("/v1/people/{person_id}", self._route("privacy", people_api.get_person), methods=["GET"]),
            Route("/v1/privacy/erase", self._route("privacy", people_api.post_erasure), methods=["POST"]),
            Route("/v1/privacy/requests/{request_id}", self._route("privacy", people_api.get_request), methods=["GET"]),
            Route(f"{CONFIRM}{{token}}", self._route("consent_page", pages.confirmation), methods=["GET", "POST"]),
            Route(f"{PREFERENCES}{{token}}", self._route("consent_page", pages.preferences), methods=["GET", "POST"]),
            Route("/v1/hooks", self._route("hooks", api_hooks.subscribe_or_list), methods=["POST", "GET"]),
            Route("/v1/hooks/sample/{event}", self._route("hooks", api_hooks.sample), methods=["GET"]),
            Route("/v1/hooks/{hook_id}", self._route("hooks", api_hooks.unsubscribe), methods=["DELETE"]),
            Route("/health/live", self.live, methods=["GET"]),
            Route("/health/ready", self.ready, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/form.js", self.form_script, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
            Route("/docs", self.docs, methods=["GET"]),
        ]

    async def webhook(self, request: Request) -> Response:
        receiver = self._receiver
        begun = time.perf_counter()
        try:
            receiver.refuse_elsewhere(request.path_params["brand"], request)
            instance = receiver.find_source(request.path_params["brand"], request.path_params["source"])
        except RefusedError as refusal:
            receiver.note_request("unknown", refusal.error, time.perf_counter() - begun)
            return refusal.response()
        if request.method == "OPTIONS":
            return _preflight(instance)
        take = take_webhook if request.method == "POST" else shake_hands
        response = await self._answered(instance.slug, lambda _: take(receiver, request, instance), request)
        if instance.webhook is not None and instance.webhook.cross_origin:
            response.headers["Access-Control-Allow-Origin"] = "*"  # a page may read the answer; it holds no data
        return response

    def _route(self, counted_as: str, answer: Callable[[Receiver, Request], Awaitable[Response]]) -> Handler:
        async def handle(request: Request) -> Response:
            return await self._answered(counted_as, lambda request: answer(self._receiver, request), request)

        return handle

    async def _answered(self, source: str, handle: Handler, request: Request) -> Response:
        """Run a handler, count it, and turn what it raises into an answer that says what to do."""
        begun = time.perf_counter()
        outcome = TAKEN
        try:
            return await handle(request)
        except RefusedError as error:
            outcome = error.error
            return error.response()
        except AfluenteError as error:  # tables missing, keys missing: an operator acts, the sender tries again
            outcome = "unavailable"
            _log.error("request_not_served", source=source, error=str(error))
            return unavailable().response()
        except Exception as error:  # noqa: BLE001 - a bug must not be an acknowledgement, nor end the connection
            outcome = "bug"
            _log.error("request_failed", source=source, place=place_of(error))
            return json_answer({"error": "bug", "message": "this failed here; nothing was taken"}, status=500)
        finally:
            seconds = time.perf_counter() - begun
            self._receiver.note_request(source, outcome, seconds, is_handshake=request.method == "GET")

    async def live(self, _: Request) -> Response:
        return json_answer({"status": "live"})

    async def ready(self, _: Request) -> Response:
        status, report = await self._receiver.ask_readiness()
        return json_answer(report, status=status)

    async def metrics(self, _: Request) -> Response:
        try:
            text = await self._receiver.ask(self._receiver.metrics.text)
        except TransientError:
            return unavailable("the figures could not be gathered in time; ask again").response()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def form_script(self, request: Request) -> Response:
        return answer_script(request)

    async def openapi(self, request: Request) -> Response:
        return json_answer(api_description.document(self._described_to(request)))

    async def docs(self, request: Request) -> Response:
        return HTMLResponse(
            api_description.page(self._described_to(request)),
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
                " frame-ancestors 'none'"
            },
        )

    def _described_to(self, request: Request) -> api_description.Described:
        """A stranger reads examples, whoever bears a key the brands and sources that it serves."""
        key = None
        with suppress(RefusedError):
            key = authenticate(request, self._receiver.keys)
        return api_description.describe(self._receiver.book, key)


def _preflight(instance: SourceInstance) -> Response:
    if instance.webhook is None or not instance.webhook.cross_origin:
        return RefusedError(405, "no_cross_origin", "browsers do not post to this source").response()
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
        },
    )


async def _no_such_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {
        404: ("unknown_route", "there is nothing here; /docs lists what is"),
        405: ("wrong_method", "not this way"),
    }
    word, message = words.get(status, ("refused", "this request cannot be served"))
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return json_answer({"error": word, "message": message}, status=status, headers=headers)
