"""Pages before somebody is in."""

from __future__ import annotations

from starlette.responses import Response

from pipeline.console.console import Console
from pipeline.console.visits import Visit, local_path
from pipeline.login import local_admins, sessions
from pipeline.login.code_flow import ASKED_SECONDS
from pipeline.login.errors import SignInError
from pipeline.login.sessions import OpenedSession, find_session
from pipeline.logs import get_logger

_LONGEST_TYPED = 200
_log = get_logger(__name__)


def show_sign_in(console: Console, visit: Visit) -> Response:
    next_path = local_path(visit.request.query_params.get("next"))
    return console.show(visit, "sign_in.html", next_path=next_path)


def begin_sign_in(console: Console, visit: Visit) -> Response:
    """To the provider. What was asked stays in the browser, sealed."""
    if console.flow is None:
        raise SignInError(
            "no_provider", "no provider is set up here (access.sign_in.issuer in afluente.yaml)", status=404
        )
    next_path = local_path(visit.form.get("next"))
    address, kept = console.flow.begin(next_path, is_stronger=visit.form.get("stronger") == "yes")
    response = console.lead_to(address)
    visit.set_cookie(response, "asked", kept, seconds=ASKED_SECONDS)
    return response


def finish_sign_in(console: Console, visit: Visit) -> Response:
    """Back from the provider."""
    if console.flow is None or console.access is None:
        raise SignInError(
            "no_provider", "no provider is set up here (access.sign_in.issuer in afluente.yaml)", status=404
        )
    answer = dict(visit.request.query_params)
    try:
        identity = console.flow.finish(answer, visit.cookie("asked"))
        opened = sessions.sign_in(identity, console.access, visit.network)
    except SignInError as error:
        _log.warning("sign_in_refused", error=error.code)
        response = console.show(visit, "refused.html", status=error.status, message=str(error), code=error.code)
        visit.drop_cookie(response, "asked")
        return response
    return _enter(console, visit, opened, identity.next_path)


def show_local_sign_in(console: Console, visit: Visit) -> Response:
    return console.show(visit, "local_sign_in.html")


def sign_in_locally(console: Console, visit: Visit) -> Response:
    typed = {name: visit.form.get(name, "")[:_LONGEST_TYPED] for name in ("name", "password", "code")}
    opened = local_admins.sign_in_locally(
        typed["name"].strip(), typed["password"], typed["code"], visit.network, console.access
    )
    return _enter(console, visit, opened, "/")


def _enter(console: Console, visit: Visit, opened: OpenedSession, next_path: str) -> Response:
    """Under a new id, whatever the browser held before: that session ends."""
    former = visit.cookie("session")
    session = find_session(former, console.access)
    if former is not None and session is not None:
        sessions.sign_out(former, session)
    response = console.lead_to(next_path)
    visit.set_cookie(response, "session", opened.secret)
    for name in ("asked", "form"):
        visit.drop_cookie(response, name)
    return response
