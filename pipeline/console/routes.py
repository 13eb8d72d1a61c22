"""Every page of the console, and what it takes to see it: one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from pipeline.console import session_pages, sign_in_pages
from pipeline.console.console import Console
from pipeline.console.visits import Visit

OPEN = "open"  # to everybody
SIGNED_IN = "signed_in"  # to whoever is signed in, with whatever role


@dataclass(frozen=True, slots=True)
class Page:
    """`needs`: OPEN, SIGNED_IN or a permission. `is_form`: posted by a page of ours, which is checked."""

    name: str
    method: str
    path: str
    needs: str
    answer: Callable[[Console, Visit], Response]
    is_form: bool = False


PAGES = (
    Page("me", "GET", "/", SIGNED_IN, session_pages.show_me),
    Page("sessions", "GET", "/sessions", SIGNED_IN, session_pages.show_sessions),
    Page("end_session", "POST", "/sessions/end", SIGNED_IN, session_pages.end_session, is_form=True),
    Page("sign_out", "POST", "/sign-out", SIGNED_IN, session_pages.sign_out, is_form=True),
    Page("signed_out", "GET", "/signed-out", OPEN, session_pages.show_signed_out),
    Page("sign_in", "GET", "/sign-in", OPEN, sign_in_pages.show_sign_in),
    Page("begin_sign_in", "POST", "/sign-in", OPEN, sign_in_pages.begin_sign_in, is_form=True),
    Page("finish_sign_in", "GET", "/sign-in/callback", OPEN, sign_in_pages.finish_sign_in),
    Page("local_sign_in", "GET", "/sign-in/local", OPEN, sign_in_pages.show_local_sign_in),
    Page("begin_local_sign_in", "POST", "/sign-in/local", OPEN, sign_in_pages.sign_in_locally, is_form=True),
    # The provider posts this, not a browser: what it signed is what counts.
    Page("back_channel_logout", "POST", "/sign-out/back-channel", OPEN, session_pages.end_by_provider),
)
