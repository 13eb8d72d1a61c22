"""The way of every request to its page: whose address, who asks, from where, and whether they may."""

from __future__ import annotations

from contextlib import nullcontext

from starlette.responses import Response

from pipeline.audit.acting import acting_as
from pipeline.console.console import Console
from pipeline.console.routes import OPEN, SIGNED_IN, Page
from pipeline.console.visits import Visit, local_path
from pipeline.errors import AfluenteError, ForbiddenError, TransientError, place_of
from pipeline.login.errors import SignInError
from pipeline.login.sessions import OpenSession, find_session
from pipeline.logs import get_logger
from pipeline.permissions.principals import has_anywhere

_AWAY = "The database does not answer at the moment. Try again; whoever runs Afluente sees why in `afluente status`."
_FOREIGN = (
    "This form was not sent from a page of this console that your browser has open. Go back, load the page anew, and"
    " send it again."
)
_log = get_logger(__name__)


def answer_page(console: Console, page: Page, visit: Visit) -> Response:
    """Run in a thread. Whatever goes wrong is a page that says what to do."""
    try:
        return _answer(console, page, visit)
    except SignInError as error:
        _log.warning("sign_in_refused", error=error.code)
        return console.show(visit, "refused.html", status=error.status, message=str(error), code=error.code)
    except ForbiddenError:
        return console.show_problem(visit, "Your roles do not allow this.", status=403)
    except TransientError:
        return console.show_problem(visit, _AWAY, status=503)
    except AfluenteError as error:
        _log.error("page_not_served", source=page.name, error=str(error))
        return console.show_problem(
            visit, "This cannot be shown now; whoever runs Afluente finds why in the log.", status=503
        )
    except Exception as error:  # noqa: BLE001 - a bug is a page too, and no text of it is shown
        _log.error("page_failed", source=page.name, place=place_of(error))
        return console.show_problem(visit, "This failed here. The log says where.", status=500)


def _answer(console: Console, page: Page, visit: Visit) -> Response:
    host = visit.request.headers.get("host", "")
    if not console.is_home(host):
        message = "This console has another address. A proxy in front of it has to pass the Host header on as it came."
        return console.show_problem(visit, message, status=421)
    if page.needs != OPEN:
        visit.session = find_session(visit.cookie("session"), console.access)
    if page.is_form and not (visit.comes_from(console.origin(host)) and visit.has_form_token()):
        return console.show_problem(visit, _FOREIGN, status=403)
    if page.needs != OPEN and visit.session is None:
        wanted = local_path(visit.request.url.path) if page.method == "GET" else "/"
        return console.lead_to("/sign-in" if wanted == "/" else f"/sign-in?next={wanted}")
    if visit.session is not None and not _may_see(page, visit.session):
        raise ForbiddenError(f"this page needs {page.needs}")
    with acting_as(visit.session.actor) if visit.session is not None else nullcontext():
        return page.answer(console, visit)


def _may_see(page: Page, session: OpenSession) -> bool:
    return page.needs in (OPEN, SIGNED_IN) or has_anywhere(session.principal, page.needs)
