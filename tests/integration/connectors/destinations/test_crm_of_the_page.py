"""The CRM of docs/add-a-crm.md works as it stands there: writer, mapping and settings, in a company's own folder."""

from __future__ import annotations

import json
import re

import pytest

from connectors.kit import (
    ConfigurationError,
    Connection,
    QuotaError,
    Record,
    RecordError,
    TerminalError,
    TransientError,
    destination_types,
    registry,
)
from connectors.kit.conformance.destinations import CHECKS, Workbench, run_check
from connectors.kit.conformance.destinations.line import Line
from pipeline.delivery.writers import connection_to
from pipeline.health.connector_checks import check_destinations
from pipeline.settings.loading import load_settings
from tests.support.company_sources import company_sources
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "add-a-crm.md").read_text(encoding="utf-8")
ADA = Record("person-1", {"email": "ada.sample@example.org", "last_name": "Sample"})
EVA = Record("person-2", {"email": "eva.sample@example.org", "last_name": "Sample"})


def block(begins: str) -> str:
    examples = re.findall(r"^```\w+\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    return next(example for example in examples if begins in example)


@pytest.fixture
def company(tmp_path, monkeypatch):
    for _ in company_sources(tmp_path, monkeypatch):
        for name, begins in (
            ("connectors/destinations/acme_crm.py", "class AcmeWriter"),
            ("mappings/destinations/acme_crm.yaml", "destination: acme_crm"),
            ("afluente.yaml", "destinations:"),
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(block(begins), encoding="utf-8")
        registry.forget()
        yield tmp_path


@pytest.fixture
def writer(company, server):
    opened = destination_types()["acme_crm"].open(Connection("acme", server.url, secrets={"token": "t"}))
    yield opened
    opened.close()


def says(*results: dict, status: int = 200, **headers: str):
    return status, headers, json.dumps({"results": results}).encode()


def result(record: Record, **said) -> dict:
    return {"external_id": record.key, **said}


def test_each_record_hears_what_the_crm_said_of_it_whatever_the_order(writer, server):
    refused = result(EVA, code="bad_email", field="email", message="'eva.sample@example.org' is no address")
    server.script = [says(refused, result(ADA, id=7, created=True))]
    ada, eva = writer.write([ADA, EVA])
    assert (ada.state, ada.crm_id, ada.created) == ("written", "7", True)
    assert (eva.state, eva.code, eva.field, eva.blames_setting) == ("rejected", "bad_email", "email", False)
    assert "eva" not in (eva.message or "")
    [asked] = server.asked
    assert asked["headers"]["Authorization"] == "Bearer t"
    assert json.loads(asked["body"])["contacts"][0] == {"external_id": "person-1", **ADA.fields}


def test_who_is_busy_or_left_out_is_tried_again_and_a_missing_right_blames_the_settings(writer, server):
    server.script = [says(result(ADA, code="locked"))]
    assert [(verdict.state, verdict.code) for verdict in writer.write([ADA, EVA])] == [
        ("retry", "locked"),
        ("retry", "no_result"),
    ]
    server.script = [says(result(ADA, code="no_permission"))]
    [one] = writer.write([ADA])
    assert (one.state, one.blames_setting) == ("rejected", True)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says(status=400), RecordError),
        (says(status=413), RecordError),
        (says(status=401), TerminalError),
        (says(status=404), TerminalError),
        (says(status=429), QuotaError),
        (says(status=500), TransientError),
        (None, TransientError),
        ((200, {}, b"<html>"), TransientError),
        ((200, {}, b'{"results": [{"id"'), TransientError),
        ((200, {}, b"[]"), TransientError),
        ((200, {}, b'{"results": [null]}'), TransientError),
    ],
)
def test_a_call_that_came_to_nothing_is_the_error_that_the_page_says(writer, server, answer, error):
    server.script = [answer]
    with pytest.raises(error) as raised:
        writer.write([ADA])
    assert "ada" not in str(raised.value)


ASKED_WITHOUT_THE_CRM = (
    "missing_secrets_are_a_sentence",
    "empty_batch_makes_no_call",
    "too_many_records_are_a_mistake_of_the_caller",
    "unreadable_answer_is_not_taken_for_success",
    "silence_is_told_apart_from_refusal",
    "each_status_becomes_its_error",
    "retry_after_is_kept",
    "calls_stay_within_the_grant",
)


@pytest.mark.parametrize("name", ASKED_WITHOUT_THE_CRM)
def test_the_writer_conforms_as_far_as_it_can_be_asked_without_its_crm(company, server, name):
    server.script = [says(result(ADA, id=7))]
    [check] = [check for check in CHECKS if check.__name__ == name]
    with Line(server.url) as line:
        connection = Connection("acme", line.url, secrets={"token": "t"})
        outcome = run_check(check, Workbench(destination_types()["acme_crm"], connection, dict, None, line))
    assert outcome.problems == ()


def check(folder, environ: dict[str, str], url: str):
    text = block("destinations:").replace("https://api.acme.example", url)
    (folder / "afluente.yaml").write_text(text, encoding="utf-8")
    [found] = check_destinations(load_settings({"AFLUENTE_HOME": str(folder), **environ}))
    return found


def test_doctor_says_of_it_what_the_page_promises(company, server):
    server.script = [(200, {}, b"{}")]
    found = check(company, {"ACME_TOKEN": "t"}, server.url)
    assert (found.ok, found.detail) == (True, f"Acme CRM at {server.url} lets us in")
    server.script = [(401, {}, b"{}")]
    refused = check(company, {"ACME_TOKEN": "t"}, server.url)
    assert (refused.ok, "destinations.acme.secrets" in refused.remedy) == (False, True)


def test_a_missing_secret_is_a_sentence_and_no_bug(company):
    text = block("destinations:").replace("    secrets: {token: env:ACME_TOKEN}\n", "")
    (company / "afluente.yaml").write_text(text, encoding="utf-8")
    connection = connection_to("acme", load_settings({"AFLUENTE_HOME": str(company)}))
    with pytest.raises(ConfigurationError, match=r"destinations\.acme\.secrets\.token is not set"):
        destination_types()["acme_crm"].open(connection)
