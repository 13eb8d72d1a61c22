"""Pages of whoever is in: who they are here, where else they are in, and the way out."""

from __future__ import annotations

from uuid import UUID

from starlette.responses import JSONResponse, Response

from pipeline.console.console import Console
from pipeline.console.visits import Visit
from pipeline.errors import AfluenteError
from pipeline.login import logout, sessions
from pipeline.login.errors import ProviderAwayError, SignInError
from pipeline.login.sessions import OIDC, OpenSession


def show_me(console: Console, visit: Visit) -> Response:
    return console.show(visit, "me.html", way="the sign-in provider" if _of(visit).auth == OIDC else "a one-time code")


def show_sessions(console: Console, visit: Visit) -> Response:
    session = _of(visit)
    return console.show(visit, "sessions.html", sessions=sessions.list_sessions(session.user_id, console.access))


def end_session(console: Console, visit: Visit) -> Response:
    session = _of(visit)
    try:
        wanted = UUID(visit.form.get("session_id", ""))
    except ValueError:
        return console.show_problem(visit, "There is no such session.", status=404)
    if not sessions.end_own_session(session, wanted):
        return console.show_problem(visit, "There is no such session of yours; it may have ended.", status=404)
    return console.lead_to("/sessions")


def sign_out(console: Console, visit: Visit) -> Response:
    """Out here, and by the browser's next step out at the provider too."""
    session = _of(visit)
    id_token = sessions.sign_out(visit.cookie("session") or "", session)
    address = None
    if console.flow is not None and session.auth == OIDC:
        address = console.flow.end_address(id_token)
    response = console.lead_to(address or "/signed-out")
    visit.drop_cookie(response, "session")
    return response


def show_signed_out(console: Console, visit: Visit) -> Response:
    return console.show(visit, "signed_out.html")


def end_by_provider(console: Console, visit: Visit) -> Response:
    """Back-channel logout: 200 when nobody of these is in any more, 400 for a token that does not count."""
    status, answer = 200, {}
    try:
        if console.provider is None:
            raise SignInError("no_provider", "no provider is set up here", status=404)
        logout.end_by_provider(visit.form.get("logout_token", ""), console.provider)
    except ProviderAwayError:
        status, answer = 503, {"error": "temporarily_unavailable"}
    except SignInError as error:
        status, answer = 400, {"error": "invalid_request", "error_description": error.code}
    except AfluenteError:
        status, answer = 503, {"error": "temporarily_unavailable"}
    return console.guarded(JSONResponse(answer, status_code=status))


def _of(visit: Visit) -> OpenSession:
    if visit.session is None:  # the way to a page that needs one leads by the sign-in
        raise SignInError("signed_out", "you are not signed in", status=401)
    return visit.session
