"""Sources that post are asked once a day whether they still know our address, and what they say is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.health.doctor import run_checks
from pipeline.health.status import collect_status
from pipeline.health.subscriptions import asking
from pipeline.health.subscriptions.asking import ask_due
from pipeline.intake.receiver import request_counts
from pipeline.store.engine import transaction
from tests.support.command_line import answer, problem, run
from tests.support.intake_server import running_receiver
from tests.support.services import forget_caches

TOKEN = "token-of-the-source"
PUBLIC = "https://leads.example.org"
META_SCOPES = ("leads_retrieval", "pages_manage_metadata", "pages_read_engagement")


class Provider:
    """A source's API: what stands at each path, and with which token."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                provider.asked.append(self.path)
                status, content = provider.answers.get(parts.path, (404, {}))
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    status, content = 401, {}
                if parts.path.endswith("/debug_token") and parse_qs(parts.query).get("input_token") != [TOKEN]:
                    status, content = 400, {}
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def hooks(self, *hooks: dict[str, object], form: str = "abC1") -> None:
        self.answers[f"/forms/{form}/webhooks"] = (200, {"items": list(hooks)})


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def configured(installation, tmp_path, provider, monkeypatch) -> Callable[..., None]:
    monkeypatch.setenv("TYPEFORM_TOKEN", TOKEN)
    monkeypatch.setenv("META_LEAD_ADS_TOKEN", TOKEN)

    def configure(public_url: str | None = PUBLIC, **entries: object) -> None:
        entries = entries or {"typeform": {"subscription": {"form": "abC1"}}}
        document = {
            "sources": {name: {"url": provider.address, **entry} for name, entry in entries.items()},
            "receiver": {"public_url": public_url} if public_url else {},
        }
        (tmp_path / "afluente.yaml").write_text(json.dumps(document), encoding="utf-8")
        forget_caches()

    configure()
    return configure


def hook(url: str = f"{PUBLIC}/in/default/typeform", *, enabled: bool = True) -> dict[str, object]:
    return {"url": url, "enabled": enabled}


def told() -> list[str]:
    return [sentence for sentence in collect_status()["problems"] if "typeform" in sentence]


def checks() -> dict[str, tuple[bool, str]]:
    return {check.name: (check.ok, check.detail) for check in run_checks()}


def test_a_source_that_knows_our_address_is_well_everywhere(configured, provider):
    provider.hooks(hook(f"{PUBLIC}/in/default/typeform?secret=abc"))
    (state,) = answer("source", "check-hook", "typeform")
    assert (state["token"], state["hook"], state["notice"], state["why_not"]) == ("ok", "active", None, None)
    assert state["address"] == f"{PUBLIC}/in/default/typeform"
    assert told() == []
    assert checks()["subscription of typeform"] == (True, "the token is valid and the webhook active")
    assert answer("source", "status", "typeform")[-1]["hook"] == "active"
    assert "active" in run("source", "status", "typeform").stdout


@pytest.mark.parametrize(
    ("hooks", "state", "sentence"),
    [
        ([], "absent", "has no webhook to https://leads.example.org/in/default/typeform"),
        ([hook(enabled=False)], "paused", "switched off there"),
        ([hook("https://old.example.org/in/default/typeform")], "elsewhere", "lead elsewhere"),
        ([hook(f"{PUBLIC}/in/otra/typeform")], "elsewhere", "lead elsewhere"),
        ([hook("https://leads.example.org.evil.example/in/default/typeform")], "elsewhere", "lead elsewhere"),
    ],
)
def test_a_webhook_that_is_not_there_not_on_or_not_ours_is_said_everywhere(
    configured, provider, hooks, state, sentence
):
    provider.hooks(*hooks)
    assert answer("source", "check-hook", "typeform", code=1)[0]["hook"] == state
    assert sentence in told()[0]
    is_well, detail = checks()["subscription of typeform"]
    assert not is_well
    assert sentence in detail
    provider.hooks(*hooks, hook())
    assert answer("source", "check-hook", "typeform")[0]["hook"] == "active"
    assert told() == []


def test_a_refused_token_is_said_and_never_shown(configured, provider, monkeypatch):
    monkeypatch.setenv("TYPEFORM_TOKEN", "another-token")
    forget_caches()
    provider.hooks(hook())
    (state,) = answer("source", "check-hook", "typeform", code=1)
    assert (state["token"], state["hook"]) == ("refused", None)
    assert "cannot be asked" in told()[0]
    assert "another-token" not in json.dumps([state, told(), checks()])


def test_without_a_token_or_an_id_nothing_is_asked_and_nothing_is_wrong(configured, provider, monkeypatch):
    monkeypatch.delenv("TYPEFORM_TOKEN")
    forget_caches()
    (state,) = answer("source", "check-hook", "typeform", code=1)
    assert state["why_not"].startswith("set TYPEFORM_TOKEN, or")
    assert told() == []
    assert checks()["subscription of typeform"][0]
    monkeypatch.setenv("TYPEFORM_TOKEN", TOKEN)
    configured(typeform={})
    assert "set sources.typeform.subscription.form" in answer("source", "check-hook", "typeform", code=1)[0]["why_not"]
    assert ask_due() == 0
    assert provider.asked == []


def test_of_several_forms_each_must_have_the_webhook(configured, provider):
    configured(typeform={"subscription": {"form": "abC1, xyZ2"}})
    provider.hooks(hook())
    assert answer("source", "check-hook", "typeform", code=1)[0]["hook"] == "absent", "there is no such form"
    provider.hooks(hook(), form="xyZ2")
    assert answer("source", "check-hook", "typeform")[0]["hook"] == "active"


def test_a_page_that_subscribed_no_leads_and_a_token_without_permissions_are_said(configured, provider):
    configured(meta_lead_ads={"subscription": {"page": "110022"}})
    provider.answers["/v25.0/110022/subscribed_apps"] = (200, {"data": [{"subscribed_fields": ["feed"]}]})
    provider.answers["/v25.0/debug_token"] = (200, {"data": {"scopes": ["leads_retrieval"]}})
    assert answer("source", "check-hook", "meta_lead_ads", code=1)[0]["hook"] == "absent"
    provider.answers["/v25.0/110022/subscribed_apps"] = (200, {"data": [{"subscribed_fields": ["feed", "leadgen"]}]})
    (state,) = answer("source", "check-hook", "meta_lead_ads", code=1)
    assert state["missing_scopes"] == ["pages_manage_metadata", "pages_read_engagement"]
    assert "lacks permissions: pages_manage_metadata" in state["notice"]


def test_the_id_of_a_page_said_once_serves_every_question_to_the_source(configured, provider, monkeypatch):
    for name in ("APP_SECRET", "VERIFY_TOKEN"):
        monkeypatch.setenv(f"META_LEAD_ADS_{name}", "a secret of the tests")
    configured(meta_lead_ads={"options": {"page": 110022}})
    provider.answers["/v25.0/110022/subscribed_apps"] = (200, {"data": [{"subscribed_fields": ["leadgen"]}]})
    provider.answers["/v25.0/debug_token"] = (200, {"data": {"scopes": list(META_SCOPES)}})
    assert answer("source", "check-hook", "meta_lead_ads")[0]["hook"] == "active"
    (asked,) = (row for row in answer("source", "status", "meta_lead_ads") if row["about"] == "reconcile")
    assert asked["why_not"] is None
    assert [check for check in run_checks() if check.name == "source meta_lead_ads" and not check.ok] == []


def test_while_nobody_said_under_which_name_the_world_sees_us_the_path_decides(configured, provider):
    configured(public_url=None)
    provider.hooks(hook("https://any.example.org/in/default/typeform"))
    assert answer("source", "check-hook", "typeform")[0]["hook"] == "active"
    provider.hooks(hook("https://any.example.org/in/default/tally"))
    assert answer("source", "check-hook", "typeform", code=1)[0]["hook"] == "elsewhere"


def test_an_outage_of_the_source_is_no_lost_webhook_and_is_asked_again(configured, provider):
    provider.answers["/forms/abC1/webhooks"] = (503, {})
    assert ask_due() == 1
    assert "could not be told" in told()[0]
    assert ask_due() == 0
    provider.hooks(hook())
    assert ask_due(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert told() == []


def test_a_source_that_is_well_is_asked_once_a_day(configured, provider):
    provider.hooks(hook())
    assert ask_due() == 1
    assert ask_due(datetime.now(UTC) + timedelta(hours=23)) == 0
    assert ask_due(datetime.now(UTC) + timedelta(hours=25)) == 1
    assert len(provider.asked) == 2


def test_the_hourly_task_of_beat_asks(configured, provider):
    from pipeline.tasks import maintain

    provider.hooks(hook(enabled=False))
    maintain()
    assert len(provider.asked) == 1
    assert "switched off there" in told()[0]


def test_a_source_that_is_not_to_be_asked_or_cannot_be_is_left_alone(configured, provider):
    configured(typeform={"subscription": False})
    assert ask_due() == 0
    assert "cannot be asked" in problem("source", "check-hook", "typeform", code=2)
    assert "these can: " in problem("source", "check-hook", "web_form", code=2)


def test_an_answer_of_another_form_is_no_active_webhook_and_stops_nothing(configured, provider):
    for content in ([], "text", None, {"items": [None, 3, {"url": 7}]}, {"items": {"url": []}}):
        provider.answers["/forms/abC1/webhooks"] = (200, content)
        (state,) = answer("source", "check-hook", "typeform", code=1)
        assert state["hook"] != "active"


def test_the_last_handshake_is_told_and_a_gauge_says_who_knows_our_address(configured, provider, monkeypatch):
    monkeypatch.setattr(request_counts, "_WRITE_SECONDS", 0.1)
    provider.hooks(hook())
    assert ask_due() == 1
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO intake_requests (minute, source, outcome, requests)"
            " VALUES (date_trunc('minute', now()), 'typeform', 'handshake', 1)"
        )
    assert answer("source", "status", "typeform")[-1]["last_handshake_at"] is not None
    with running_receiver() as receiver:
        text = receiver.get("/metrics").text
    assert 'afluente_source_subscribed{brand="default",source="typeform"} 1.0' in text


@pytest.mark.parametrize("content", [{}, {"items": None}, {"items": "none"}, {"error": "down for maintenance"}])
def test_an_answer_without_a_list_of_webhooks_is_no_lost_webhook(configured, provider, content):
    provider.answers["/forms/abC1/webhooks"] = (200, content)
    (state,) = answer("source", "check-hook", "typeform", code=1)
    assert state["hook"] is None
    assert "could not be told" in state["notice"]
    assert "items" in state["notice"]


def test_an_answer_without_a_list_of_permissions_does_not_say_that_the_token_lacks_them(configured, provider):
    configured(meta_lead_ads={"subscription": {"page": "110022"}})
    provider.answers["/v25.0/110022/subscribed_apps"] = (200, {"data": [{"subscribed_fields": ["leadgen"]}]})
    provider.answers["/v25.0/debug_token"] = (200, {"data": {"scopes": None}})
    (state,) = answer("source", "check-hook", "meta_lead_ads", code=1)
    assert state["missing_scopes"] == []
    assert "could not be told" in state["notice"]


@pytest.mark.parametrize(
    ("forms", "said"),
    [
        (",".join(f"form{number}" for number in range(51)), "names 51, and at most 50 are asked for"),
        (" , ,", "set sources.typeform.subscription.form"),
    ],
)
def test_forms_that_are_too_many_to_ask_for_or_none_are_said_and_not_passed_over(configured, provider, forms, said):
    configured(typeform={"subscription": {"form": forms}})
    (state,) = answer("source", "check-hook", "typeform", code=1)
    assert said in state["why_not"]
    assert provider.asked == []


def test_who_was_asked_longest_ago_is_asked_first_when_time_runs_short(configured, provider, monkeypatch):
    configured(typeform={"subscription": {"form": "abC1"}}, meta_lead_ads={"subscription": {"page": "110022"}})
    provider.answers["/v25.0/110022/subscribed_apps"] = provider.answers["/forms/abC1/webhooks"] = (503, {})
    monkeypatch.setattr(asking, "_BUDGET_SECONDS", 0.0)
    for hours in range(4):
        assert ask_due(datetime.now(UTC) + timedelta(hours=hours)) == 1
    assert sum("/forms/" in path for path in provider.asked) == 2


def test_what_was_said_days_ago_is_not_told_as_if_it_held(configured, provider):
    provider.hooks(hook())
    assert ask_due() == 1
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE source_subscriptions SET checked_at = now() - interval '4 days'")
    assert "nobody has asked it for 4 days" in told()[0]
    is_well, detail = checks()["subscription of typeform"]
    assert not is_well
    assert "beat" in detail


def test_when_a_source_was_asked_by_a_clock_that_was_ahead_it_is_asked_again(configured, provider):
    provider.hooks(hook())
    assert ask_due() == 1
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE source_subscriptions SET checked_at = now() + interval '30 days'")
    assert ask_due() == 1


def test_webhooks_of_calendly_are_listed_as_many_at_once_as_it_gives(configured, provider, monkeypatch):
    monkeypatch.setenv("CALENDLY_TOKEN", TOKEN)
    organization = "https://api.calendly.com/organizations/AAA"
    configured(calendly={"subscription": {"organization": organization}})
    ours = {"callback_url": f"{PUBLIC}/in/default/calendly", "state": "active"}
    provider.answers["/webhook_subscriptions"] = (200, {"collection": [ours]})
    assert answer("source", "check-hook", "calendly")[0]["hook"] == "active"
    assert parse_qs(urlsplit(provider.asked[-1]).query)["count"] == ["100"]  # without it 20: ours may be the next


def test_a_webhook_of_eventbrite_is_known_though_a_secret_stands_in_its_address(configured, provider, monkeypatch):
    monkeypatch.setenv("EVENTBRITE_TOKEN", TOKEN)
    configured(eventbrite={"subscription": {"organization": 7}})
    ours = {"endpoint_url": f"{PUBLIC}/in/default/eventbrite?secret=of-the-address"}
    provider.answers["/v3/organizations/7/webhooks/"] = (200, {"webhooks": [ours]})
    (said,) = answer("source", "check-hook", "eventbrite")
    assert said["hook"] == "active"
    assert "of-the-address" not in str(said)
    provider.answers["/v3/organizations/7/webhooks/"] = (200, {"webhooks": []})
    assert "absent" in run("source", "check-hook", "eventbrite", "--json").stdout


def test_each_brand_may_be_asked_for_forms_of_its_own_or_not_at_all(configured, provider, tmp_path):
    said = {"north": {"form": "n1"}, "south": {"form": "s1"}, "west": False}
    entry = {"url": provider.address, "subscription": said}
    document = {"brands": {"north": {}, "south": {}, "west": {}}, "sources": {"typeform": entry},
                "receiver": {"public_url": PUBLIC}}  # fmt: skip
    (tmp_path / "afluente.yaml").write_text(json.dumps(document))
    forget_caches()
    for brand, form in (("north", "n1"), ("south", "s1")):
        provider.hooks(hook(f"{PUBLIC}/in/{brand}/typeform"), form=form)
    assert ask_due() == 2
    assert sorted(provider.asked) == ["/forms/n1/webhooks", "/forms/s1/webhooks"]
    assert {row["brand"]: row["hook"] for row in answer("source", "check-hook", "typeform")} == {
        "north": "active",
        "south": "active",
    }


def test_a_wrong_option_of_one_brand_is_told_with_its_place(configured, provider):
    configured(typeform={"subscription": {"default": {"fom": "abC1"}}})
    (state,) = answer("source", "check-hook", "typeform", code=1)
    assert "sources.typeform.subscription.default: fom is not known; allowed: form" in state["why_not"]
