"""The console: an ASGI application of its own process, so that no page is in a lead's way.

Every request takes the same way: its address, its form, who asks, whether they may, the page's own function in a
thread. docs/decisions/0040-sign-in.md says why it is made so.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.console.command_socket.server import CommandServer
from pipeline.console.console import Console
from pipeline.console.forms import read_form
from pipeline.console.routes import PAGES, Page
from pipeline.console.serving import answer_page
from pipeline.console.visits import Visit
from pipeline.intake.receiver.serving import server_config
from pipeline.logs import get_logger
from pipeline.settings.loading import Settings

_THREADS = 4  # as many as a process keeps connections to the database
_LOOPBACK = "127.0.0.1"
_STYLE = Path(__file__).parent / "static" / "console.css"
_log = get_logger(__name__)


def create_app(settings: Settings) -> Starlette:
    """The application. Its threads begin and end with its lifespan."""
    console = Console(settings)
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="console")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        commands = _command_server(settings)
        threads.submit(console.warm_up)
        _log.info("console_started", provider=console.provider is not None)
        try:
            yield
        finally:
            if commands is not None:
                commands.stop()
            threads.shutdown(wait=False, cancel_futures=True)

    routes = [
        Route("/health", _health, methods=["GET"]),
        Route("/static/console.css", _style, methods=["GET"]),
        *(Route(page.path, _endpoint(console, page, threads), methods=[page.method], name=page.name) for page in PAGES),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: _absent, 405: _absent})
    app.router.redirect_slashes = False
    app.state.console = console
    return app


def serve(settings: Settings, *, host: str, port: int, listening: socket.socket | None = None) -> bool:
    """Run the console until it is told to stop. Whether it ever answered.

    Where nobody can sign in by a provider it listens on the loopback address alone, whatever `host` says.
    """
    if listening is None and settings.access.sign_in is None and not _is_loopback(host):
        _log.warning(
            "console_kept_private", remedy="set access.sign_in in afluente.yaml: until then nobody could sign in"
        )
        host = _LOOPBACK
    server = uvicorn.Server(server_config(create_app(settings), settings, host=host, port=port))
    with suppress(KeyboardInterrupt):
        server.run(sockets=None if listening is None else [listening])
    return server.started


def _command_server(settings: Settings) -> CommandServer | None:
    """Where the settings name a socket, it is served from here on."""
    if settings.access.socket is None:
        return None
    commands = CommandServer(settings, Path(settings.access.socket))
    commands.start()
    return commands


def _endpoint(console: Console, page: Page, threads: ThreadPoolExecutor) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        form = await read_form(request) if page.method == "POST" else {}
        visit = Visit(request, console.is_secure, form=form)
        work = partial(copy_context().run, answer_page, console, page, visit)
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    return answer


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


async def _style(_: Request) -> Response:
    headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(_STYLE.read_bytes(), media_type="text/css", headers=headers)


async def _absent(request: Request, error: Exception) -> Response:
    console: Console = request.app.state.console
    if isinstance(error, HTTPException) and error.status_code == 405:
        return console.show_problem(Visit(request, console.is_secure), "This page takes forms only.", status=405)
    return console.show_problem(Visit(request, console.is_secure), "There is no such page.", status=404)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
