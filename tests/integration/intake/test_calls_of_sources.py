"""Whatever an installation asks is asked where its settings mean: by default, where they allow it, as doctor says."""

from __future__ import annotations

import json
import socket

import pytest

from pipeline.delivery.writers import connection_to
from pipeline.health.edges.calls import check_calls
from pipeline.intake.polls import run_poll
from pipeline.settings.edges.outgoing import reach_of_source
from pipeline.settings.loading import load_settings, settings
from tests.support.feeds import Feed, serving
from tests.support.services import forget_caches

NAME = "feed.example.org"


@pytest.fixture
def leads_to(monkeypatch):
    """Lets the name lead to an address."""
    real = socket.getaddrinfo

    def lead(address: str) -> None:
        def look_up(host, port, *rest, **more):
            if host != NAME:
                return real(host, port, *rest, **more)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return lead


@pytest.fixture
def config(database, tmp_path, monkeypatch):
    path = tmp_path / "afluente.yaml"
    monkeypatch.setenv("AFLUENTE_CONFIG", str(path))

    def write(source: dict[str, object], **more: object) -> None:
        crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
        path.write_text(json.dumps({"sources": {"json_feed": source}, "destinations": {"crm": crm}, **more}))
        forget_caches()

    return write


def poll():
    return run_poll("json_feed", "default", at_once=True)


def test_a_feed_whose_name_leads_to_this_machine_is_not_called_and_the_setting_that_allows_it_is_named(
    config, leads_to
):
    leads_to("127.0.0.1")
    with serving(Feed()) as feed:
        url = feed.url.replace("127.0.0.1", NAME)
        feed.records = [{"id": "l-1", "updated_at": "2026-03-01T10:00:00Z", "email": "ada@example.org"}]
        config({"url": url})
        report = poll()
        assert report.is_terminal
        assert report.error is not None
        assert "not called: feed.example.org" in report.error
        assert "sources.json_feed.allow_private: true in afluente.yaml" in report.error
        assert feed.asked == []
        config({"url": url, "allow_private": True})
        assert poll().accepted == 1
        config({"url": url}, outgoing={"networks": ["127.0.0.0/8"]})
        assert poll().error is None


@pytest.mark.parametrize(
    ("outgoing", "allow_private", "private"),
    [({}, False, "warn"), ({"private_networks": "refuse"}, False, "refuse"), ({}, True, "allow")],
)
def test_sources_and_destinations_are_called_as_the_settings_say(config, outgoing, allow_private, private):
    config(
        {"url": "https://feed.example.org", "allow_private": allow_private},
        outgoing=outgoing,
        destinations={
            "crm": {
                "kind": "salesforce",
                "base_url": "https://crm.example.org",
                "allow_private": allow_private,
                "secrets": {},
            }
        },
    )
    assert reach_of_source(settings(), "json_feed").private == private
    reach = connection_to("crm", settings()).reach
    assert reach.private == private
    assert reach.setting == "destinations.crm.allow_private: true in afluente.yaml"


def test_doctor_names_what_a_later_version_will_not_call_and_passes_what_is_meant(config, leads_to):
    leads_to("10.0.0.8")
    config({"url": f"https://{NAME}/leads"})
    (check,) = check_calls(load_settings())
    assert (check.ok, check.name) == (False, "calls of sources.json_feed")
    assert "until a later version" in check.detail
    assert "sources.json_feed.allow_private: true" in check.remedy
    for source, more in (
        ({"url": f"https://{NAME}/leads", "allow_private": True}, {}),
        ({"url": f"https://{NAME}/leads"}, {"outgoing": {"networks": ["10.0.0.0/8"]}}),
        ({"url": "http://10.0.0.8/leads"}, {}),
    ):
        config(source, **more)
        assert [check.ok for check in check_calls(load_settings())] == [True]
