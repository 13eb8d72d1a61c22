"""Consents in HubSpot: the state of an address for a subscription type, set in batches of 100."""

from __future__ import annotations

import pytest

from connectors.kit import ConfigurationError, Record, RecordError, SentField, TerminalError, TransientError
from tests.support.crm import order, records
from tests.support.hubspot_crm import paths, said, sent, writer

PATH = "/communication-preferences/v4/statuses/batch/write"
FIELDS = ("subscriberIdString", "subscriptionId", "statusState", "channel", "legalBasis")


def opened(url, **more):
    fields = tuple(map(SentField, FIELDS))
    return writer(url, object="subscriptions", subject="consent", fields=fields, **more)


def consent(number=0, state="SUBSCRIBED", **fields):
    known = {"subscriberIdString": f"Ada{number}@example.org", "subscriptionId": "371111", "statusState": state}
    return Record(f"key-{number}", {**known, "channel": "EMAIL", **fields})


def done(number=0, **more):
    known = {"subscriberIdString": f"ada{number}@example.org", "subscriptionId": 371111, "channel": "EMAIL"}
    return {**known, "status": "SUBSCRIBED", **more}


def results(*entries, errors=()):
    return said({"status": "COMPLETE", "results": list(entries), "errors": list(errors)})


def test_a_batch_is_one_call_with_the_apis_own_names_and_a_number_for_the_type(server):
    server.script = [results(done(1), done(0))]
    written = opened(server.url).write([consent(0, legalBasis=None), consent(1, legalBasis="CONSENT_WITH_NOTICE")])
    assert paths(server) == [PATH]
    first, second = sent(server)["inputs"]
    assert first == {
        "subscriberIdString": "Ada0@example.org",
        "subscriptionId": 371111,
        "statusState": "SUBSCRIBED",
        "channel": "EMAIL",
    }
    assert second["legalBasis"] == "CONSENT_WITH_NOTICE"
    assert [(result.key, result.state, result.crm_id) for result in written] == [
        ("key-0", "written", "371111"),
        ("key-1", "written", "371111"),
    ]


def test_a_dated_version_of_the_api_has_its_own_path_and_a_wrong_one_is_a_sentence(server):
    server.script = [results(done())]
    opened(server.url, options={"api_version": "2026-03"}).write([consent()])
    assert paths(server) == ["/communication-preferences/2026-03/statuses/batch/write"]
    with pytest.raises(ConfigurationError, match="allowed: v3 or such as 2026-03"):
        opened(server.url, options={"api_version": "new"})


def test_what_has_no_subscription_type_no_address_or_no_state_makes_no_call(server):
    lacking = [
        consent(0, subscriptionId=None),
        consent(1, subscriberIdString=None),
        Record("key-2", {"subscriptionId": "371111", "subscriberIdString": "ada2@example.org"}),
    ]
    written = opened(server.url).write(lacking)
    assert [(result.state, result.code) for result in written] == [("written", "no_subscription")] * 3
    assert paths(server) == []


def test_of_two_records_of_one_address_the_refusal_is_sent_and_stands_for_both(server):
    both = [
        consent(0),
        Record("other", {**consent(0, "UNSUBSCRIBED").fields, "subscriberIdString": "ada0@example.org"}),
    ]
    for batch in (both, both[::-1]):
        server.asked.clear()
        server.script = [results(done(status="UNSUBSCRIBED"))]
        assert [result.state for result in opened(server.url).write(batch)] == ["written", "written"]
        (entry,) = sent(server)["inputs"]
        assert entry["statusState"] == "UNSUBSCRIBED"


def test_a_refusal_that_names_nobody_is_of_the_one_that_is_left(server):
    refused = {"category": "VALIDATION_ERROR", "message": "Ada1@example.org cannot be subscribed"}
    server.script = [results(done(0), errors=[refused])]
    first, second = opened(server.url).write([consent(0), consent(1)])
    assert first.state == "written"
    assert (second.state, second.code) == ("rejected", "VALIDATION_ERROR")
    assert "example.org" not in (second.message or "")


def test_refusals_of_several_leave_them_for_another_call_and_of_all_halve_the_batch(server):
    refused = {"category": "VALIDATION_ERROR", "message": "cannot be subscribed"}
    server.script = [results(done(0), errors=[refused] * 2)]
    written = opened(server.url).write([consent(0), consent(1), consent(2)])
    assert [result.state for result in written] == ["written", "retry", "retry"]
    server.script = [results(errors=[refused])]
    with pytest.raises(RecordError, match="VALIDATION_ERROR"):
        opened(server.url).write([consent(0), consent(1)])


def test_a_missing_scope_is_named_and_a_garbled_answer_is_tried_again(server):
    scope = "communication_preferences.statuses.batch.write"
    server.script = [said({"category": "MISSING_SCOPES", "message": f"needs {scope}"}, 403)]
    with pytest.raises(TerminalError, match=scope):
        opened(server.url).write([consent()])
    server.script = [said({"status": "COMPLETE"})]
    with pytest.raises(TransientError, match="without a list of results"):
        opened(server.url).write([consent()])


def test_a_call_refused_for_one_address_leaves_the_others_to_the_halves(server):
    server.script = [said({"category": "VALIDATION_ERROR", "message": "Ada1@example.org is no address"}, 400)] * 2
    with pytest.raises(RecordError) as refused:
        opened(server.url).write([consent(0), consent(1)])
    assert "example.org" not in str(refused.value)
    (result,) = opened(server.url).write([consent(1)])
    assert (result.state, result.code) == ("rejected", "VALIDATION_ERROR")


def test_the_types_of_the_account_are_known_and_asking_for_them_is_the_check(hubspot):
    asked = opened(hubspot.address, secrets={})
    asked.check()
    described = {field.name: field for field in asked.describe()}
    assert described["subscriptionId"].values == ("371111", "371112")
    assert described["statusState"].values == ("SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED")


def test_the_sandbox_keeps_one_state_for_an_address_and_refuses_what_is_wrong_alone(hubspot):
    writing = opened(hubspot.address, secrets={})
    results = writing.write([consent(0), consent(1, subscriptionId="99"), consent(2, "UNSUBSCRIBED")])
    assert [result.state for result in results] == ["written", "rejected", "written"]
    writing.write([consent(0, "UNSUBSCRIBED"), consent(2, "UNSUBSCRIBED")])
    assert {row["fields"]["statusState"] for row in records(hubspot)} == {"UNSUBSCRIBED"}
    assert len(records(hubspot)) == 2


def test_after_a_lost_answer_the_same_batch_again_changes_nothing(hubspot):
    writing = opened(hubspot.address, secrets={})
    order(hubspot, write_then_drop=1)
    with pytest.raises(TransientError):
        writing.write([consent(0, "UNSUBSCRIBED")])
    order(hubspot)
    assert [result.state for result in writing.write([consent(0, "UNSUBSCRIBED")])] == ["written"]
    assert [row["fields"]["statusState"] for row in records(hubspot)] == ["UNSUBSCRIBED"]


def test_who_is_to_be_forgotten_costs_no_call_of_its_own(server):
    (result,) = opened(server.url).delete([consent()])
    assert (result.state, result.code, paths(server)) == ("written", "goes_with_contact", [])
