"""One request as a page sees it: its form, its cookies, and whether it comes from a page of ours."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from pipeline.login.sessions import OpenSession

_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # printable ASCII without \, and no second / at its beginning
_LONGEST_PATH = 2_000


@dataclass
class Visit:
    """`is_secure`: browsers reach the console by https, so cookies may say so. `session`: who is signed in."""

    request: Request
    is_secure: bool
    form: Mapping[str, str] = field(default_factory=dict)
    session: OpenSession | None = None
    new_form_secret: str | None = None

    def cookie(self, name: str) -> str | None:
        return self.request.cookies.get(self._cookie_name(name))

    def set_cookie(self, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
        """For this host and every path, out of reach of scripts, not sent along by pages of others but for a link."""
        response.set_cookie(
            self._cookie_name(name),
            value,
            max_age=seconds,
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )

    def drop_cookie(self, response: Response, name: str) -> None:
        self.set_cookie(response, name, "", seconds=0)

    def _cookie_name(self, name: str) -> str:
        # Browsers take a name with this prefix only by https, from this very host: no neighbor can plant one.
        return f"__Host-afluente_{name}" if self.is_secure else f"afluente_{name}"

    @property
    def form_token(self) -> str:
        """What every form of ours carries: it follows from a cookie that no other page can read or set."""
        held = self.cookie("session") or self.cookie("form") or self.new_form_secret
        if held is None:
            held = self.new_form_secret = secrets.token_urlsafe(32)
        return _token(held)

    def has_form_token(self) -> bool:
        given = self.form.get("form_token", "").encode()
        held = [secret for name in ("session", "form") if (secret := self.cookie(name))]
        return any(hmac.compare_digest(_token(secret).encode(), given) for secret in held)

    def comes_from(self, origin: str) -> bool:
        """Whether the browser says that a page of this origin sent the form. A browser that says nothing is refused."""
        site, sender = self.request.headers.get("sec-fetch-site"), self.request.headers.get("origin")
        if site is None and sender is None:
            return False
        return site in (None, "same-origin") and sender in (None, origin)

    @property
    def network(self) -> str:
        """Where it comes from: the address without its last part (24 bits of version 4, 48 of version 6)."""
        host = self.request.client.host if self.request.client else ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return "unknown"
        mapped = getattr(address, "ipv4_mapped", None) or address
        return str(ipaddress.ip_network(f"{mapped}/{24 if mapped.version == 4 else 48}", strict=False))


def local_path(text: str | None) -> str:
    """Where to go on: a path of ours. Anything that could lead elsewhere becomes `/`."""
    return text if text and len(text) <= _LONGEST_PATH and _PATH.fullmatch(text) else "/"


def _token(secret: str) -> str:
    return hmac.new(secret.encode(), b"a form of the console", hashlib.sha256).hexdigest()
