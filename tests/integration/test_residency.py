"""Data stays in its region: what would leave it is refused at the start, or stands there with its basis."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.health.edges.residency import check_residency
from pipeline.health.status import collect_status
from pipeline.inspection.destinations import list_destinations
from pipeline.settings.loading import Settings, load_settings
from tests.support.command_line import answer, run
from tests.support.intake_server import KEY, count_events, running_receiver
from tests.support.services import forget_caches

CRM = {"kind": "salesforce", "base_url": "https://crm.example.org"}
MAIL = {"host": "smtp.example.com", "sender": "news@example.org"}
HOOK = {"url": "https://hooks.example.org", "secrets": {"signing": "env:SIGNING"}, "events": ["lead.settled"]}
SCC = {"instrument": "scc", "signed": "2026-05-01", "document": "DPA 12"}
OFF = {"enabled": False}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Writes afluente.yaml, as a restart would find it, and gives what is read from it."""
    path: Path = tmp_path / "afluente.yaml"
    monkeypatch.setenv("AFLUENTE_CONFIG", str(path))
    monkeypatch.setenv("AFLUENTE_API_KEYS", f"a:admin:{KEY},casa:ingest:key-of-casa:casa")

    def write(**content: object) -> Settings:
        hooks = {"hooks": {"data_region": content["data_region"]}} if "data_region" in content else {}
        path.write_text(json.dumps({**hooks, **content}))
        forget_caches()
        return load_settings()

    return write


def refusal(config, **content: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        config(**content)
    return str(caught.value)


def test_without_a_region_nobody_asks_where_data_goes(config):
    assert config(destinations={"crm": CRM}).data_region is None


def test_a_destination_of_no_named_region_is_refused_with_the_rule(config):
    said = refusal(config, data_region="EU", brands={"casa": {}}, destinations={"crm": CRM})
    assert "destinations.crm.data_region: is not set" in said
    assert "casa (EU)" in said
    assert "GDPR art. 44" in said


@pytest.mark.parametrize(("own", "rule"), [("ES", "GDPR art. 44"), ("BR", "LGPD art. 33"), ("UK", "UK GDPR art. 44")])
def test_what_would_cross_without_a_basis_is_refused_with_the_rule(config, own, rule):
    said = refusal(config, data_region=own, destinations={"crm": {**CRM, "data_region": "US"}})
    assert "to US, which is forbidden without a basis" in said
    assert rule in said
    assert "destinations.crm.transfer_basis" in said


@pytest.mark.parametrize("there", ["EU", "de", "NO", "eea"])
def test_within_the_european_economic_area_nothing_crosses(config, there):
    known = config(data_region="ES", destinations={"crm": {**CRM, "data_region": there}})
    (check,) = check_residency(known)
    assert (check.ok, check.detail) == (True, "EU; nothing leaves it")


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"webhooks": {"partner": HOOK}}, "webhooks.partner.data_region"),
        ({"webhooks": {"partner": {**HOOK, "data_region": "US"}}}, "webhooks.partner"),
        ({"hooks": {}}, "hooks.data_region"),
        ({"consent": {"mail": MAIL}}, "consent.mail.data_region"),
        ({"consent": {"mail": {**MAIL, "data_region": "US"}}}, "consent.mail.transfer_basis"),
        ({"consent": {"mail": {**MAIL, "data_region": "Europe"}}}, "consent.mail.data_region"),
        ({"destinations": {"crm": {**CRM, "data_region": "US", "transfer_basis": {"instrument": "scc"}}}}, "signed"),
        (
            {"destinations": {"crm": {**CRM, "data_region": "US", "transfer_basis": {**SCC, "signed": "soon"}}}},
            "signed",
        ),
        ({"destinations": {"crm": {**CRM, "data_region": "Europe"}}}, "destinations.crm.data_region"),
        ({"data_region": "Atlantis"}, "data_region"),
        ({"brands": {"casa": {"data_region": "BR"}}}, "nothing would be served here"),
    ],
)
def test_whoever_else_is_sent_something_counts_too_and_half_a_basis_is_none(config, more, place):
    assert place in refusal(config, **{"data_region": "EU", **more})


def test_a_region_of_a_brand_alone_says_what_is_missing(config):
    assert "needs data_region" in refusal(config, brands={"casa": {"data_region": "BR"}})


def test_a_destination_that_is_off_and_one_on_this_machine_cross_nothing(config):
    here = {"kind": "salesforce", "base_url": "http://127.0.0.1:8081"}
    known = config(data_region="EU", destinations={"old": {**CRM, **OFF}, "here": here})
    assert [check.ok for check in check_residency(known)] == [True]


def test_a_mail_server_is_asked_where_it_is_as_any_other_who_gets_addresses(config):
    here = config(data_region="EU", consent={"mail": {**MAIL, "host": "localhost"}})
    assert [check.ok for check in check_residency(here)] == [True]
    known = config(data_region="EU", consent={"mail": {**MAIL, "data_region": "US", "transfer_basis": SCC}})
    (check,) = check_residency(known)
    assert check.detail == "EU; consent.mail in US by scc of 2026-05-01 (DPA 12)"
    (recipient,) = [row for row in answer("privacy", "register", "--json")["recipients"] if row["kind"] == "mail"]
    assert (recipient["name"], recipient["region"], recipient["basis"]) == (
        "consent.mail", "US", "scc of 2026-05-01 (DPA 12)",
    )  # fmt: skip
    assert recipient["categories"]


def test_what_crosses_by_a_basis_is_shown_by_doctor_status_and_the_list_of_destinations(database, config):
    known = config(data_region="EU", destinations={"crm": {**CRM, "data_region": "US", "transfer_basis": SCC}})
    (check,) = check_residency(known)
    assert (check.ok, check.detail) == (True, "EU; destinations.crm in US by scc of 2026-05-01 (DPA 12)")
    status = collect_status(known)
    assert status["data_region"] == "EU"
    assert status["transfers"] == [
        {
            "place": "destinations.crm",
            "brand": "default",
            "from": "EU",
            "to": "US",
            "basis": "scc of 2026-05-01 (DPA 12)",
            "until": None,
        }
    ]
    (row,) = list_destinations()
    assert (row.data_region, row.transfer_basis) == ("US", "scc of 2026-05-01 (DPA 12)")
    (listed,) = answer("destination", "list", "--json")
    assert (listed["data_region"], listed["transfer_basis"]) == ("US", "scc of 2026-05-01 (DPA 12)")


def test_a_basis_that_has_ended_fails_in_doctor(config):
    over = {**CRM, "data_region": "US", "transfer_basis": {**SCC, "until": "2026-06-01"}}
    (check,) = check_residency(config(data_region="EU", destinations={"crm": over}))
    assert not check.ok
    assert "ended on 2026-06-01" in check.detail


def test_the_register_names_purposes_data_recipients_and_their_basis(config):
    config(
        data_region="EU",
        brands={"casa": {}, "otra": {}},
        sources={"web_form": {"brands": ["casa"]}, "typeform": {"enabled": False}},
        destinations={
            "crm": {**CRM, "data_region": "US", "transfer_basis": SCC},
            "others": {**CRM, "brands": ["otra"], "data_region": "EU"},
        },
        webhooks={"partner": {**HOOK, "data_region": "EU", "fields": ["email"]}},
        retention=[
            {"what": "bodies", "after": "30d", "source": "web_form"},
            {"what": "people", "after": "3y"},
            {"what": "people", "after": "1y", "brand": "otra"},
        ],
        register={"controller": "Casa Viva SA", "purpose": "answer requests", "purposes": {"typeform": "surveys"}},
    )
    found = answer("privacy", "register", "--json")
    assert (found["controller"], found["region"]) == ("Casa Viva SA", "EU")
    assert found["missing"] == ["register.contact", "register.legal_basis"]
    (activity,) = found["activities"]
    assert (activity["brand"], activity["source"], activity["purpose"]) == ("casa", "web_form", "answer requests")
    assert activity["retention"] == "bodies 30d; people 3y"
    assert activity["recipients"] == ["crm", "partner"]
    assert "who somebody is and how to reach them" in activity["categories"]
    crm, _others, partner = found["recipients"]
    assert (crm["region"], crm["basis"]) == ("US", "scc of 2026-05-01 (DPA 12)")
    assert "work" in crm["categories"]
    assert partner["categories"] == ["who somebody is and how to reach them"]
    assert "answer requests" in run("privacy", "register").stdout


def test_a_lead_of_a_brand_of_another_region_is_421_before_its_body_is_read(database, config):
    brands = {"default": {}, "casa": {"data_region": "BR", "receiver_url": "https://br.example.org"}}
    known = config(
        data_region="EU",
        brands=brands,
        sources={"json_feed": {"brands": ["casa"]}},
        destinations={"crm": {**CRM, "data_region": "EU"}},
    )
    assert not known.source("json_feed").enabled
    with running_receiver(known) as receiver:
        for path, key in (("/in/casa/web_form", ""), ("/v1/leads?brand=casa", f"Authorization: Bearer {KEY}\r\n")):
            with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as line:
                head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{key}Content-Length: 1000\r\n\r\n"
                line.sendall(head.encode())  # and nothing of the body
                told = line.recv(65_536)
            status, _, body = told.partition(b"\r\n\r\n")
            assert status.startswith(b"HTTP/1.1 421 ")
            assert b"connection: close" in status.lower()
            refused = json.loads(body)
            assert refused["error"] == "wrong_region"
            assert refused["address"] == f"https://br.example.org{path.partition('?')[0]}"
        own = receiver.post_leads({"email": "ada@example.org"}, key="key-of-casa")
        assert own.status_code == 421
        assert receiver.post_leads({"email": "ada@example.org"}).status_code == 202
    assert count_events() == 1
