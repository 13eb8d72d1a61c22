"""The pages on which people say what they agree to: to confirm a tick, and to choose by their own link. Without scripts
and without anything from other hosts. GET shows, POST acts: programs that look at each link of a mail open it as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pipeline.errors import TransientError
from pipeline.intake.own_consents import Preference, choose, confirm, look_at, preferences_of
from pipeline.intake.receiver.answers import RefusedError
from pipeline.intake.receiver.receiver import Receiver
from pipeline.intake.receiver.request_bodies import read_body
from pipeline.privacy.asking.consent_links import digest_of, person_of
from pipeline.privacy.asking.consent_words import WORDS, language_of, question_words
from pipeline.settings.consent_settings import LANGUAGES

Json = dict[str, Any]
_SOURCE = "consents"
_BODY_BYTES = 16_384
# As a form of either kind that mail programs may post it in (RFC 8058, 3.1).
_ONE_CLICK = re.compile(rb'(?:^|&|name="?)List-Unsubscribe(?:=|"?\s+)One-Click')
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Language",
}
_STYLE = (
    "body{font:17px/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem;color:#1a2b33}"
    "fieldset{border:1px solid #b9c6cc;border-radius:.4rem;margin:1rem 0}legend{font-weight:600}"
    "label{margin-right:2rem}"
    "button{font:inherit;padding:.5rem 1.2rem;margin-right:1rem}nav{margin-top:3rem}"
    "@media(prefers-color-scheme:dark){body{background:#12191c;color:#d8e2e6}}"
)


async def confirmation(receiver: Receiver, request: Request) -> Response:
    """The page of a confirmation; by POST it is given. 404 for a link that there is not, or that has expired."""
    language = _language(request)
    digest = digest_of(request.path_params["token"])
    acts = request.method == "POST"
    found = await _ask(receiver, lambda: confirm(digest) if acts else look_at(digest))
    words = WORDS[language]
    if found.state in ("unknown", "expired"):
        return _page(language, words["confirm_title"], _paragraph(words[found.state]), status=404)
    if found.state in ("already", "confirmed"):
        return _page(language, words["confirm_title"], _paragraph(words[found.state]))
    question = question_words(found.question, language, receiver.settings.consent.questions)
    ask = _paragraph(words["confirm_ask"].format(question=question))
    return _page(language, words["confirm_title"], ask + _form(_button(words["confirm_button"])))


async def preferences(receiver: Receiver, request: Request) -> Response:
    """What a person agrees to, with a choice for each question; by POST it is chosen. A POST of RFC 8058
    (`List-Unsubscribe=One-Click`) takes back what the address asks for, without a page. Raises RefusedError."""
    language, words = _language(request), WORDS[_language(request)]
    person_id = person_of(request.path_params["token"])
    title = words["preferences_title"]
    if person_id is None:
        return _page(language, title, _paragraph(words["unknown"]), status=404)
    titles = receiver.settings.consent.questions
    known = await _ask(receiver, lambda: preferences_of(person_id, titles))
    if known is None:
        return _page(language, title, _paragraph(words["unknown"]), status=404)
    if request.method != "POST":
        return _page(language, title, _choices(known, language, titles))
    body = await read_body(request, _BODY_BYTES, receiver.body_work, _SOURCE)
    form = parse_qs(body.decode("utf-8", "replace"))
    one_click = _ONE_CLICK.search(body) is not None
    asked = request.query_params.get("stop") or "marketing.email"
    chosen = {_split(asked): False} if one_click else _chosen(form, known)
    await _ask(receiver, lambda: choose(person_id, chosen, method="one_click" if one_click else "preference_link"))
    receiver.hints.tell(frozenset({"hot"}), frozenset())
    if one_click:
        return Response(status_code=200, headers=_HEADERS)
    return _page(language, title, _paragraph(words["saved"]))


def _chosen(form: Mapping[str, Sequence[str]], known: Sequence[Preference]) -> dict[tuple[str, str], bool]:
    """What differs from what holds, of the questions that were shown."""
    if "stop_all" in form:
        return {preference.question: False for preference in known}
    chosen = {}
    for preference in known:
        said = (form.get(".".join(preference.question)) or [""])[0]
        if said in ("yes", "no") and preference.granted is not (said == "yes"):
            chosen[preference.question] = said == "yes"
    return chosen


def _choices(known: Sequence[Preference], language: str, titles: Mapping[str, Mapping[str, str]]) -> str:
    words = WORDS[language]
    if not known:
        return _paragraph(words["nothing"])
    return _paragraph(words["preferences_ask"]) + _form(
        "".join(
            _choice(preference, question_words(preference.question, language, titles), words) for preference in known
        )
        + _button(words["save"])
        + _button(words["stop_all"], name="stop_all")
    )


def _choice(preference: Preference, title: str, words: Mapping[str, str]) -> str:
    name = escape(".".join(preference.question), quote=True)

    def radio(value: str, *, is_chosen: bool) -> str:
        checked = " checked" if is_chosen else ""
        return f"<label><input type=radio name='{name}' value={value}{checked}> {escape(words[value])}</label>"

    yes, no = radio("yes", is_chosen=preference.granted is True), radio("no", is_chosen=preference.granted is False)
    return f"<fieldset><legend>{escape(title)}</legend>{yes}{no}</fieldset>"


def _split(question: str) -> tuple[str, str]:
    purpose, _, channel = question.partition(".")
    if not purpose or not channel:
        raise RefusedError(400, "no_question", "write ?stop=PURPOSE.CHANNEL, as marketing.email")
    return purpose, channel


async def _ask(receiver: Receiver, question: Callable[[], Any]) -> Any:
    try:
        return await receiver.ask(question)
    except TransientError:
        raise RefusedError(
            503, "unavailable", "this could not be stored; please try again", headers={"Retry-After": "5"}
        ) from None


def _language(request: Request) -> str:
    return language_of(request.query_params.get("lang"), request.headers.get("accept-language"))


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _form(content: str) -> str:
    return f"<form method=post>{content}</form>"


def _button(text: str, *, name: str | None = None) -> str:
    named = f" name={name} value=yes" if name else ""
    return f"<button type=submit{named}>{escape(text)}</button>"


def _page(language: str, title: str, content: str, *, status: int = 200) -> Response:
    others = " · ".join(f"<a href='?lang={other}' lang={other}>{other}</a>" for other in LANGUAGES if other != language)
    return HTMLResponse(
        f"<!doctype html><html lang={language}><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{content}<nav>{others}</nav>",
        status_code=status,
        headers=_HEADERS,
    )


def described_paths(refusals: Callable[..., Json], path_parameter: Callable[[str, Json], Json]) -> Json:
    """These routes for `/openapi.json`. `refusals` describes statuses, `path_parameter` a part of an address."""
    page = {"description": "A page", "content": {"text/html": {"schema": {"type": "string"}}}}
    language: Json = {"name": "lang", "in": "query", "schema": {"enum": list(LANGUAGES)}}
    stop: Json = {"name": "stop", "in": "query", "schema": {"type": "string"}}
    token = path_parameter("token", {})

    def shown(summary: str, *more: Json) -> Json:
        answers = {"200": page, "404": {**page, "description": "A page: nobody's link, or one that has expired"}}
        return {"summary": summary, "parameters": [token, language, *more], "responses": {**answers, **refusals(503)}}

    return {
        "/consent/confirm/{token}": {
            "get": shown("Ask somebody whether a tick was theirs"),
            "post": shown("Confirm it"),
        },
        "/consent/preferences/{token}": {
            "get": shown("Show somebody what they agree to"),
            "post": shown("Take what they choose; one click of a mail program takes back", stop),
        },
    }
