"""The Salesforce writer: one result for each record, and every failure sorted by what happens next."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.kit import ConfigurationError, QuotaError, Record, RecordError, TerminalError, TransientError, Usage
from pipeline.delivery.halving import Written, write_in_halves
from tests.support.crm import calls
from tests.support.properties import examples
from tests.support.scripted_crm import FIELDS, UPSERT, bad, batch, good, said, write, writer


def write_with_grants(sandbox, records: list[Record], *, most: int = 1_000) -> tuple[Written, int]:
    """Write as the sender does, with `most` calls granted; gives what became of it and the grants that were taken."""
    grants = 1  # the first call has one when it is made

    def may_call() -> bool:
        nonlocal grants
        if grants == most:
            return False
        grants += 1
        return True

    opened = writer(sandbox.address, secrets={})
    return write_in_halves(records, opened.write, may_call=may_call), grants


def upserts(sandbox) -> int:
    return sum(call["calls"] for call in calls(sandbox) if "composite" in call["route"])


class TestTheCall:
    def test_it_upserts_by_external_id_with_the_type_in_every_record(self, server):
        write(server, said([good()]))
        asked = server.asked[0]
        assert asked["path"] == UPSERT
        assert asked["headers"]["Authorization"] == "Bearer t"
        assert json.loads(asked["body"]) == {
            "allOrNone": False,
            "records": [{"attributes": {"type": "Lead"}, "Afluente_Id__c": "key-0", **FIELDS, "FirstName": "Ada0"}],
        }

    def test_object_key_and_version_are_options(self, server):
        write(server, said([good()]), options={"object": "Contact", "external_id_field": "Key__c", "api_version": 68})
        assert server.asked[0]["path"] == "/services/data/v68.0/composite/sobjects/Contact/Key__c"

    def test_headers_that_change_writes_are_sent_only_when_asked_for(self, server):
        write(server, said([good()]))
        sent = [name for name in server.asked[0]["headers"] if name.startswith("Sforce")]
        assert sent == ["Sforce-Call-Options"]
        options = {"auto_assign": False, "allow_duplicate_alerts": True, "duplicates_as_user": True}
        write(server, said([good()]), options=options)
        assert server.asked[1]["headers"]["Sforce-Auto-Assign"] == "FALSE"
        rules = server.asked[1]["headers"]["Sforce-Duplicate-Rule-Header"]
        assert rules == "allowSave=true; runAsCurrentUser=true"

    def test_every_call_says_whose_it_is(self, server):
        write(server, said([good()]))
        write(server, said([good()]), options={"client": "Acme/1.0"})
        named = [call["headers"]["Sforce-Call-Options"] for call in server.asked]
        assert named == ["client=afluente", "client=Acme/1.0"]
        with pytest.raises(ConfigurationError, match=r"options\.client"):
            write(server, said([good()]), options={"client": "a, b"})

    def test_no_records_make_no_call(self, server):
        assert writer(server.url).write([]) == []
        assert server.asked == []

    @pytest.mark.parametrize("records", [batch(1) * 2, batch(201)], ids=["doubled key", "too many"])
    def test_a_call_that_would_break_salesforces_rules_is_not_made(self, server, records):
        with pytest.raises(ValueError, match="at most 200 records with different keys"):
            writer(server.url).write(records)
        assert server.asked == []


class TestResults:
    def test_there_is_one_for_each_record_in_order(self, server):
        results = write(server, said([good(1, created=True), bad("STRING_TOO_LONG"), good(2)]), size=3)
        assert [(r.key, r.state, r.crm_id, r.created) for r in results] == [
            ("key-0", "written", "00Q000000000001", True),
            ("key-1", "rejected", None, None),
            ("key-2", "written", "00Q000000000002", None),
        ]

    @pytest.mark.parametrize(
        "code",
        [
            "REQUIRED_FIELD_MISSING", "STRING_TOO_LONG", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "INVALID_EMAIL_ADDRESS",
            "FIELD_INTEGRITY_EXCEPTION", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "ENTITY_IS_DELETED",
            "ENTITY_IS_LOCKED", "DUPLICATES_DETECTED", "NEVER_HEARD_OF",
        ],
    )  # fmt: skip
    def test_permanent_and_unknown_codes_reject_the_record(self, server, code):
        (result,) = write(server, said([bad(code, "no", ["Email"])]))
        assert (result.state, result.code, result.field) == ("rejected", code, "Email")

    @pytest.mark.parametrize(
        "code",
        ["UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "UNKNOWN_EXCEPTION",
         "ALL_OR_NONE_OPERATION_ROLLED_BACK", "PROCESSING_HALTED"],
    )  # fmt: skip
    def test_passing_troubles_send_the_record_again(self, server, code):
        assert write(server, said([bad(code)]))[0].state == "retry"

    @pytest.mark.parametrize(
        ("message", "state"),
        [("LeadTrigger: UNABLE_TO_LOCK_ROW", "retry"), ("Too many SOQL queries: 101", "retry"), ("No!", "rejected")],
    )
    def test_a_failing_trigger_is_tried_again_only_where_it_failed_for_a_lock(self, server, message, state):
        assert write(server, said([bad("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message)]))[0].state == state

    @pytest.mark.parametrize(
        ("fields", "message", "state"),
        [
            (["Afluente_Id__c"], "", "retry"),
            ([], "duplicate value found: Afluente_Id__c duplicates value on record with id: 00Q1", "retry"),
            ([], "duplicate value found: <unknown>", "retry"),
            (["Email"], "duplicate value found: Email", "rejected"),
        ],
    )
    def test_a_duplicate_key_after_a_race_is_sent_again_and_another_unique_field_is_not(
        self, server, fields, message, state
    ):
        assert write(server, said([bad("DUPLICATE_VALUE", message, fields)]))[0].state == state

    @pytest.mark.parametrize("answers", [[], [good()], [bad("REQUIRED_FIELD_MISSING"), good()]])
    def test_of_an_answer_shorter_than_the_batch_nothing_is_believed(self, server, answers):
        """Whose results are missing? Taken by their place, one record would get the id of another."""
        results = write(server, said(answers), size=3)
        assert [(result.state, result.code, result.crm_id) for result in results] == [("retry", "no_result", None)] * 3

    @pytest.mark.parametrize("entry", [None, {}, 7, {"id": "x"}, {"success": "yes"}, {"success": True, "errors": []}])
    def test_a_success_without_an_id_or_a_word_is_no_success(self, server, entry):
        assert write(server, said([entry]))[0].state == "retry"

    @pytest.mark.parametrize("errors", [None, [], ["text"], [{}], [{"statusCode": 7, "message": [], "fields": None}]])
    def test_a_failure_without_a_reason_is_still_a_failure(self, server, errors):
        (result,) = write(server, said([{"success": False, "errors": errors}]))
        assert (result.state, result.code) == ("rejected", "no_reason_given")

    def test_the_crms_words_lose_the_values_of_the_lead(self, server):
        said_by_crm = "Email: invalid email address: ada.brandt@example.org for Brandt, see 'Brandt GmbH'"
        (result,) = write(server, said([bad("INVALID_EMAIL_ADDRESS", said_by_crm, ["Email"])]))
        assert result.message is not None
        assert not [value for value in ("ada", "Brandt", "GmbH", "@") if value in result.message]


class TestWholeCalls:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
    def test_a_failing_server_is_asked_again_later(self, server, status):
        with pytest.raises(TransientError):
            write(server, (status, {}, b"<html>"))

    def test_a_hung_up_line_is_asked_again_later(self, server):
        with pytest.raises(TransientError, match="no usable answer"):
            write(server, None)

    def test_a_slow_server_is_asked_again_later(self, server):
        with pytest.raises(TransientError):
            write(server, (200, {"Content-Length": "9"}, b"["), timeout_seconds=0.2)

    @pytest.mark.parametrize(
        "body", [b"<html>Welcome</html>", b"{}", b"", b"null", b'[{"success":true},{"success":true}]']
    )
    def test_a_200_that_is_no_list_of_results_proves_nothing(self, server, body):
        with pytest.raises(TransientError, match="answered 200"):
            write(server, (200, {}, body))

    def test_the_daily_quota_waits_long_and_the_concurrent_one_briefly(self, server):
        def refused(what):
            return said([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": f"{what} Limit exceeded."}], 403)

        with pytest.raises(QuotaError, match="daily") as daily:
            write(server, refused("TotalRequests"))
        with pytest.raises(QuotaError) as concurrent:
            write(server, refused("ConcurrentRequests (Concurrent API Requests)"))
        assert daily.value.retry_after == 3600
        assert 0 < concurrent.value.retry_after <= 10

    def test_a_429_waits_as_told(self, server):
        with pytest.raises(QuotaError) as caught:
            write(server, (429, {"Retry-After": "17"}, b""))
        assert caught.value.retry_after == 17

    @pytest.mark.parametrize(
        ("status", "code"),
        [(403, "API_DISABLED_FOR_ORG"), (403, "INSUFFICIENT_ACCESS"), (404, "NOT_FOUND"), (400, "INVALID_FIELD"),
         (400, "INVALID_TYPE"), (403, ""), (410, ""), (302, "")],
    )  # fmt: skip
    def test_wrong_settings_stop_the_destination(self, server, status, code):
        with pytest.raises(TerminalError) as caught:
            write(server, said([{"errorCode": code, "message": "Session 'Brandt'"}], status))
        assert code in str(caught.value)
        assert "Brandt" not in str(caught.value)

    def test_a_refusal_that_may_be_for_a_setting_says_so_and_other_refusals_do_not(self, server):
        unknown = bad("INVALID_FIELD", "No such column 'Foo__c'", ["Foo__c"])
        results = write(server, said([unknown, bad("STRING_TOO_LONG"), good()]), size=3)
        assert [result.state for result in results] == ["rejected", "rejected", "written"]
        assert [result.blames_setting for result in results] == [True, False, False]

    def test_a_call_that_salesforce_cannot_read_blames_its_records_and_is_not_made_again_unasked(self, server):
        unreadable = said([{"errorCode": "JSON_PARSER_ERROR", "message": "Cannot read value Ada0 of 'Brandt'"}], 400)
        with pytest.raises(RecordError) as caught:
            write(server, unreadable, size=200)
        assert caught.value.code == "JSON_PARSER_ERROR"
        assert "Ada0" not in str(caught.value)
        assert "Brandt" not in str(caught.value)
        assert len(server.asked) == 1

    def test_a_call_that_is_too_large_is_refused_for_what_is_in_it(self, server):
        with pytest.raises(RecordError) as caught:
            write(server, (413, {}, b"<html>"), size=2)
        assert caught.value.code == "call_too_large"

    def test_one_unreadable_value_is_found_by_halving_and_the_others_are_written(self, sandbox):
        records = batch(40)
        records[17].fields["NumberOfEmployees"] = "about 20"
        written, _ = write_with_grants(sandbox, records)
        results = {result.key: result for result in written.results}
        assert sorted(results) == sorted(record.key for record in records)
        assert [key for key, result in results.items() if result.state == "rejected"] == ["key-17"]
        assert results["key-17"].code == "JSON_PARSER_ERROR"
        assert "20" not in (results["key-17"].message or "")
        assert len(list(sandbox.records.stream())) == 39

    @pytest.mark.parametrize("unreadable", [1, 3, 200], ids=["one record", "three records", "every record"])
    def test_every_call_has_a_grant_of_the_quota_however_many_values_are_unreadable(self, sandbox, unreadable):
        records = batch(200)
        for record in records[:unreadable]:
            record.fields["NumberOfEmployees"] = "about 20"
        _, grants = write_with_grants(sandbox, records)
        assert upserts(sandbox) == grants

    def test_no_call_is_made_when_no_more_are_granted(self, sandbox):
        records = batch(200)
        records[17].fields["NumberOfEmployees"] = "about 20"
        _, grants = write_with_grants(sandbox, records, most=4)
        assert upserts(sandbox) == grants == 4


class TestUsage:
    @pytest.mark.parametrize(
        ("header", "usage"),
        [
            ("api-usage=25/5000", Usage(25, 5000)),
            ("api-usage=25/5000; per-app-api-usage=17/250(appName=x)", Usage(25, 5000)),
            ("per-app-api-usage=17/250(appName=x); api-usage = 25/5000 ", Usage(25, 5000)),
            ("api-usage=many", Usage()),
            ("api-usage=²/5000", Usage()),
            (f"api-usage=25/{'9' * 5000}", Usage()),
            ("", Usage()),
        ],
    )
    def test_the_quota_is_read_from_every_answer(self, server, header, usage):
        server.script = [said([good()], **{"Sforce-Limit-Info": header})]
        opened = writer(server.url)
        opened.write(batch(1))
        assert opened.usage == usage

    def test_check_makes_one_cheap_call_and_raises_as_write_does(self, server):
        server.script = [said({}), said([], 401)]
        opened = writer(server.url)
        opened.check()
        assert server.asked[0]["path"] == "/services/data/v67.0/limits"
        with pytest.raises(TerminalError):
            opened.check()
        opened.close()


ANYTHING = st.one_of(st.booleans(), st.text(), st.none(), st.lists(st.text()))
ERROR = st.one_of(st.text(), st.dictionaries(st.sampled_from(["statusCode", "message", "fields"]), ANYTHING))
RESULT = st.dictionaries(st.sampled_from(["id", "success", "created", "errors"]), ANYTHING | st.lists(ERROR))
ENTRY = st.none() | st.integers() | st.text() | st.lists(st.none()) | RESULT


@pytest.mark.long
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ENTRY, min_size=1, max_size=4), st.sampled_from([200, 400, 403, 404, 500]))
def test_whatever_the_crm_answers_each_record_has_a_result_or_the_call_an_error_of_ours(server, entries, status):
    server.script = [said(entries, status)]
    records = batch(4)
    try:
        results = writer(server.url).write(records)
    except (TransientError, QuotaError, TerminalError):
        return
    assert [result.key for result in results] == [record.key for record in records]
    assert {result.state for result in results} <= {"written", "retry", "rejected"}
