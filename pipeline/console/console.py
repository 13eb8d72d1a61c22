"""The parts of a running console, made once and handed to its pages."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.console.visits import Visit
from pipeline.login.code_flow import CodeFlow
from pipeline.login.errors import SignInError
from pipeline.login.provider import Provider
from pipeline.settings.edges.declared import strict_transport
from pipeline.settings.loading import Settings

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
_FORM_SECONDS = 86_400


class Console:
    """Settings, templates and the sign-in provider, if there is one. Shared by threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.access = settings.access.sign_in
        self.provider: Provider | None = None
        self.flow: CodeFlow | None = None
        if self.access is not None and self.access.issuer is not None:
            self.provider = Provider(self.access, settings.environ)
            self.flow = CodeFlow(self.access, self.provider)
        url = self.access.url if self.access is not None else None
        self._home = None if url is None else urlsplit(url)
        self.is_secure = self._home is not None and self._home.scheme == "https"
        self._strict_transport = strict_transport(self.access.hsts) if self.access and self.is_secure else None
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["moment"] = _moment

    def warm_up(self) -> None:
        """Ask the provider what it is, so that the first sign-in does not wait for it."""
        if self.provider is not None:
            with suppress(SignInError):
                self.provider.metadata()

    def is_home(self, host: str) -> bool:
        """Whether a request's Host is ours: another name that leads here is a trick, or a proxy that changes it."""
        if self._home is not None:
            return host.lower() == self._home.netloc.lower()
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return name.lower() in _LOOPBACK

    def origin(self, host: str) -> str:
        """Of our own pages."""
        return f"{self._home.scheme}://{self._home.netloc}" if self._home is not None else f"http://{host}"

    def show(self, visit: Visit, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page. Every value is escaped."""
        values = {"session": visit.session, "form_token": visit.form_token, "console": self, **values}
        response = HTMLResponse(self._templates.get_template(template).render(values), status_code=status)
        if visit.new_form_secret is not None:
            visit.set_cookie(response, "form", visit.new_form_secret, seconds=_FORM_SECONDS)
        return self.guarded(response)

    def show_problem(self, visit: Visit, message: str, *, status: int) -> Response:
        return self.show(visit, "problem.html", status=status, message=message)

    def lead_to(self, address: str) -> Response:
        """Another page, asked for by GET."""
        return self.guarded(RedirectResponse(address, status_code=303))

    def guarded(self, response: Response) -> Response:
        """What every answer carries: nothing runs, nothing is embedded, nothing is kept by a cache."""
        # A form's answer may lead to the provider: browsers hold that against form-action too.
        targets = " ".join(sorted(self.provider.origins())) if self.provider is not None else ""
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none';"
            f" form-action 'self'{' ' if targets else ''}{targets}"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store"
        if self._strict_transport is not None:
            response.headers["Strict-Transport-Security"] = self._strict_transport
        return response


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC"
