"""Sources that list what they have posted, on a real socket, and what they post: Typeform's forms and their responses,
Meta's pages, forms and ids of leads."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.times import parse_time
from pipeline.store.engine import transaction
from tests.support.paged_api import Asked, PagedApi, serving_api
from tests.support.posted_sources import SECRET
from tests.support.services import forget_caches

TOKEN = "a-token-that-lists"
_FIELDS = [{"id": "f1", "ref": "01HRZK5T7W8XQ2M4N6P8R0S011", "type": "email", "title": "Where may we write to?"}]
_ASKED = {"id": "f1", "ref": _FIELDS[0]["ref"], "type": "email"}  # an answer names its question without the title
_numbers = itertools.count(1)


def days_ago(days: int, hour: int = 12) -> datetime:
    """That day of UTC, at that hour."""
    return datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0) - timedelta(days=days)


@dataclass
class TypeformApi(PagedApi):
    """`forms`: title by id; `responses`: those of each form. `token`: what is wanted. `keeps_to_window` False: it
    lists more than it is asked for."""

    token: str | None = TOKEN
    keeps_to_window: bool = True
    forms: dict[str, str] = field(default_factory=lambda: {"f-1": "Demo"})
    responses: dict[str, list[Any]] = field(default_factory=dict)

    def respond(self, form: str = "f-1", *, at: datetime | None = None, **more: Any) -> dict[str, Any]:
        """A visitor answers a form: gives the response as the source lists it."""
        number = next(_numbers)
        moment = (at or days_ago(1)) + timedelta(seconds=number % 60)
        response = {
            "token": f"tok-{number}",
            "submitted_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "metadata": {"platform": "other"},
            "answers": [{"type": "email", "email": f"ada{number}@example.org", "field": _ASKED}],
            **more,
        }
        self.responses.setdefault(form, []).append(response)
        return response

    def post_of(self, response: dict[str, Any], form: str = "f-1") -> dict[str, Any]:
        """As the source posts it by itself: with more, and in other words, than it lists."""
        own = {name: value for name, value in response.items() if name != "metadata"}
        definition = {"id": form, "title": self.forms[form], "fields": _FIELDS}
        body = {**own, "form_id": form, "definition": definition, "calculated": {"score": 0}, "hidden": {"utm_id": "7"}}
        return {"event_id": f"e-{response['token']}", "event_type": "form_response", "form_response": body}

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(asked)
        self.before(asked)
        if self.answers and (scripted := self.answers.pop(0)) is not None:
            return scripted
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {}, b"{}"
        if asked.path in self.broken:
            return 500, {}, b"{}"
        return 200, {}, json.dumps(self._content(asked)).encode()

    def _content(self, asked: Asked) -> Any:
        match asked.path.strip("/").split("/"):
            case ["forms"]:
                return {"items": [{"id": name, "title": title} for name, title in self.forms.items()], "page_count": 1}
            case ["forms", form]:
                return {"id": form, "title": self.forms[form], "fields": _FIELDS}
            case ["forms", form, "responses"]:
                return self._page(self.responses.get(form, []), asked)
        raise AssertionError(asked.path)

    def _page(self, listed: list[Any], asked: Asked) -> Any:
        begin, end = parse_time(asked.query["since"]), parse_time(asked.query["until"])
        if not self.keeps_to_window:
            begin = end = None
        meant = [entry for entry in listed if not isinstance(entry, dict) or _lies_in(entry, begin, end)]
        meant.reverse()
        tokens = [entry.get("token") if isinstance(entry, dict) else None for entry in meant]
        start = tokens.index(asked.query["before"]) + 1 if "before" in asked.query else 0
        return {"items": meant[start : start + self.most], "total_items": len(meant)}


def _lies_in(entry: dict[str, Any], begin: datetime | None, end: datetime | None) -> bool:
    moment = parse_time(entry.get("submitted_at"))
    return moment is None or begin is None or end is None or begin <= moment <= end


@dataclass
class GraphApi(PagedApi):
    """`forms`: ids by page; `leads`: of each form, as they are listed. `records`: what stands under an id of a lead."""

    token: str | None = TOKEN
    forms: dict[str, list[str]] = field(default_factory=lambda: {"11": ["f-1"]})
    leads: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def lead(self, form: str = "f-1", *, at: datetime | None = None) -> dict[str, Any]:
        number = next(_numbers)
        moment = (at or days_ago(1)) + timedelta(seconds=number % 60)
        lead = {"id": f"99000{number}", "created_time": moment.strftime("%Y-%m-%dT%H:%M:%S+0000"), "form_id": form}
        self.leads.setdefault(form, []).append(lead)
        answers = [{"name": "email", "values": [f"ada{number}@example.org"]}]
        self.lists[f"/v25.0/{lead['id']}"] = [{**lead, "platform": "fb", "field_data": answers}]
        return lead

    def post_of(self, *leads: dict[str, Any]) -> dict[str, Any]:
        changes = [
            {
                "field": "leadgen",
                "value": {
                    "leadgen_id": lead["id"],
                    "page_id": "11",
                    "form_id": lead["form_id"],
                    "created_time": int(parse_time(lead["created_time"]).timestamp()),
                },
            }
            for lead in leads
        ]
        return {"object": "page", "entry": [{"id": "11", "time": 1772442895, "changes": changes}]}

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(asked)
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {}, b"{}"
        match asked.path.strip("/").split("/"):
            case ["v25.0", page, "leadgen_forms"]:
                content: Any = {"data": [{"id": form} for form in self.forms[page]]}
            case ["v25.0", form, "leads"]:
                content = self._leads(self.leads.get(form, []), asked)
            case _:
                content = self.lists[asked.path][0]
        return 200, {}, json.dumps(content).encode()

    def _leads(self, listed: list[dict[str, Any]], asked: Asked) -> Any:
        bounds = {each["operator"]: each["value"] for each in json.loads(asked.query["filtering"])}
        meant = [
            lead
            for lead in listed
            if bounds["GREATER_THAN"] < parse_time(lead["created_time"]).timestamp() < bounds["LESS_THAN"]
        ]
        start = int(asked.query.get("after", 0))
        content: dict[str, Any] = {"data": meant[start : start + self.most]}
        if start + self.most < len(meant):
            filtering = asked.query["filtering"]
            content["paging"] = {"next": f"{self.url}{asked.path}?after={start + self.most}&filtering={filtering}"}
        return content


@contextmanager
def listing(api: PagedApi, source: str, folder: Path, patch: pytest.MonkeyPatch, **said: Any) -> Iterator[None]:
    """An installation whose source `source` is `api`; `said`: what more afluente.yaml says of it."""
    with serving_api(api):
        api.url = api.url.removesuffix("/leads")
        reconcile = said.pop("reconcile", {})
        if isinstance(reconcile, dict):
            reconcile = {"calls_per_second": 1000, **reconcile}
        entry = {"url": api.url, "reconcile": reconcile, **said}
        config = folder / "afluente.yaml"
        config.write_text(json.dumps({"sources": {source: entry}}))
        prefix = source.upper()
        secrets = {f"{prefix}_SECRET": SECRET, f"{prefix}_APP_SECRET": SECRET, f"{prefix}_VERIFY_TOKEN": "v"}
        variables = {"AFLUENTE_CONFIG": str(config), "AFLUENTE_DATA": str(folder), f"{prefix}_TOKEN": TOKEN, **secrets}
        for name, value in variables.items():
            patch.setenv(name, value)
        forget_caches()
        yield
    forget_caches()


def make_due() -> None:
    """As if the time of every wait were over."""
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE cursors SET next_run_at = now() - interval '1 second'")
