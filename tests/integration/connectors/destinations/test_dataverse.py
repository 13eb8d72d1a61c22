"""The Dataverse writer against answers word by word: one result for each record, every failure by the code it names."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.kit import QuotaError, Record, RecordError, TerminalError, TransientError, Usage
from tests.support.dataverse import (
    API,
    FIELDS,
    bad,
    batch,
    done,
    good,
    guid,
    line,
    part,
    refused,
    said,
    sent,
    write,
    writer,
)
from tests.support.properties import examples

WRONG_TYPE = (
    "Error identified in Payload provided by the user for Entity :'', InnerException : Microsoft.OData.ODataException:"
    " Cannot convert the literal 'Ada Brandt' to the expected type 'Edm.Int32'."
)
KEY_TAKEN = "Entity Key {0} violated. A record with the same value for {0} already exists. A duplicate record cannot be"


def states(results):
    return [(result.key, result.state, result.crm_id, result.created) for result in results]


class TestTheCall:
    def test_it_is_one_batch_with_an_upsert_by_the_alternate_key_for_each_record(self, server):
        write(server, said(good(1), good(2)), size=2)
        (asked,) = server.asked
        assert asked["path"] == f"{API}/$batch"
        assert asked["headers"]["Prefer"] == "odata.continue-on-error"
        assert asked["headers"]["Authorization"] == "Bearer t"
        assert asked["headers"]["OData-Version"] == "4.0"
        outer, start, headers, fields = sent(asked)[1]
        assert outer == {"content-type": "application/http", "content-transfer-encoding": "binary", "content-id": "2"}
        root = f"{server.url}{API}"
        assert start == f"PATCH {root}/leads(new_afluenteid='key-1')?$select=leadid,new_afluenteid HTTP/1.1"
        assert headers["prefer"] == "return=representation"
        assert headers["content-type"] == "application/json"
        assert headers["content-length"] == str(len(json.dumps(fields, separators=(",", ":"))))
        assert fields == {**FIELDS, "firstname": "Ada1"}
        assert asked["body"].count(b"\n") == asked["body"].count(b"\r\n")

    def test_table_columns_and_version_are_options(self, server):
        options = {"table": "contacts", "id_field": "contactid", "external_id_field": "cr1_key", "api_version": 9.1}
        results = write(server, said(part(201, {"contactid": guid(7), "cr1_key": "key-0"})), options=options)
        assert server.asked[0]["path"] == "/api/data/v9.1/$batch"
        assert "/contacts(cr1_key='key-0')?$select=contactid,cr1_key" in line(sent(server.asked[0])[0])
        assert states(results) == [("key-0", "written", guid(7), True)]

    def test_without_representation_less_is_asked_for_and_the_header_names_the_id(self, server):
        root = f"{server.url}{API}"
        results = write(
            server,
            said(done(f"{root}/leads({guid(7)})"), done(f"{root}/leads(new_afluenteid='key-1')"), done("")),
            size=3,
            options={"return_representation": False},
        )
        _, start, headers, _ = sent(server.asked[0])[0]
        assert "$select" not in start
        assert "prefer" not in headers
        assert states(results) == [
            ("key-0", "written", guid(7), None),
            ("key-1", "written", None, None),
            ("key-2", "written", None, None),
        ]

    def test_an_id_that_is_known_already_is_not_forgotten_where_the_answer_names_none(self, server):
        server.script = [said(done(""))]
        (result,) = writer(server.url).write([Record("key-0", FIELDS, crm_id=guid(3))])
        assert result.crm_id == guid(3)

    def test_a_key_is_escaped_and_is_not_repeated_among_the_fields(self, server):
        server.script = [said(good())]
        writer(server.url).write([Record("o'neil / é?", {**FIELDS, "new_afluenteid": "o'neil / é?"})])
        _, start, _, fields = sent(server.asked[0])[0]
        assert "(new_afluenteid='o%27%27neil%20%2F%20%C3%A9%3F')" in start
        assert fields == FIELDS

    def test_none_empties_a_column(self, server):
        server.script = [said(good())]
        writer(server.url).write([Record("k", {"lastname": "Brandt", "telephone1": None})])
        assert sent(server.asked[0])[0][3] == {"lastname": "Brandt", "telephone1": None}

    def test_only_a_record_that_is_not_to_be_made_has_a_precondition(self, server):
        server.script = [said(good(), good())]
        writer(server.url).write([Record("a", FIELDS), Record("b", FIELDS, update_only=True)])
        assert [headers.get("if-match") for _, _, headers, _ in sent(server.asked[0])] == [None, "*"]

    def test_a_value_that_looks_like_a_part_of_a_batch_stays_a_value(self, server):
        server.script = [said(good(), good())]
        text = "--batch\r\nContent-Type: application/http\r\n\r\nDELETE x HTTP/1.1\r\n--batch--"
        writer(server.url).write([Record("a", {"description": text}), Record("b", FIELDS)])
        assert [fields for _, _, _, fields in sent(server.asked[0])] == [{"description": text}, FIELDS]

    def test_no_records_make_no_call(self, server):
        assert writer(server.url).write([]) == []
        assert server.asked == []

    @pytest.mark.parametrize("records", [batch(1) * 2, batch(1_001)], ids=["doubled key", "too many"])
    def test_a_call_that_would_break_dataverses_rules_is_not_made(self, server, records):
        with pytest.raises(ValueError, match="at most 1000 records with different keys"):
            writer(server.url).write(records)
        assert server.asked == []


class TestWhoseAnswerItIs:
    def test_there_is_a_result_for_each_record_in_order(self, server):
        answers = [good(1, status=201), bad("0x80044331", "The length of the 'lastname' attribute"), good(3)]
        results = write(server, said(*answers), size=3)
        assert states(results) == [
            ("key-0", "written", guid(1), True),
            ("key-1", "rejected", None, None),
            ("key-2", "written", guid(3), False),
        ]
        assert (results[1].code, results[1].field) == ("0x80044331", "lastname")

    def test_parts_that_name_their_places_may_come_in_any_order(self, server):
        answers = [good(3, place=3), bad("0x80044331", place=1), good(2, place=2)]
        assert states(write(server, said(*answers), size=3)) == [
            ("key-0", "rejected", None, None),
            ("key-1", "written", guid(2), False),
            ("key-2", "written", guid(3), False),
        ]

    def test_of_shuffled_parts_only_those_are_believed_that_name_their_key(self, server):
        answers = [good(2, key="key-2"), bad("0x80044331"), good(0, key="KEY-0")]
        assert states(write(server, said(*answers), size=3)) == [
            ("key-0", "written", guid(0), False),
            ("key-1", "retry", None, None),
            ("key-2", "written", guid(2), False),
        ]

    def test_of_an_answer_that_is_short_only_those_are_believed_that_name_their_key(self, server):
        answers = [good(0, key="key-0"), good(1), bad("0x80044331")]
        results = write(server, said(*answers), size=4)
        assert [(result.state, result.code) for result in results] == [("written", None)] + [("retry", "no_result")] * 3

    def test_where_dataverse_stops_at_the_first_failure_that_record_is_refused_and_the_rest_comes_again(self, server):
        answers = [good(0), bad("0x80044331", "too long")]
        results = write(server, said(*answers, status=400), size=4)
        assert [(result.state, result.code) for result in results] == [
            ("written", None), ("rejected", "0x80044331"), ("retry", "no_result"), ("retry", "no_result"),
        ]  # fmt: skip

    def test_a_part_that_is_no_answer_and_a_success_without_an_id_prove_nothing(self, server):
        nested = part(200)
        nested = type(nested)({"Content-Type": "multipart/mixed; boundary=x"}, b"--x--")
        results = write(server, said(part(200, {}), part(201, b"no json"), good(2)), size=3)
        assert [(result.state, result.code) for result in results[:2]] == [("retry", "no_id")] * 2
        results = write(server, said(nested, good(1), good(2, key="key-2")), size=3)
        assert [result.state for result in results] == ["retry", "retry", "written"]

    def test_more_parts_than_were_asked_for_are_no_answer(self, server):
        with pytest.raises(TransientError, match="no batch that can be read"):
            write(server, said(good(), good(), good()), size=2)


class TestCodes:
    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (400, "0x80044331"), (400, "0x8004432F"), (400, "0x8004431a"), (400, "0x80040265"), (412, "0x80040333"),
            (500, "0x80040333"), (400, "0x80048d19"), (500, "0x80044150"), (400, "0x1234"), (412, "0x80060882"),
        ],
    )  # fmt: skip
    def test_permanent_and_unknown_codes_reject_the_record_whatever_the_status(self, server, status, code):
        (result,) = write(server, said(bad(code, "no emailaddress1", status=status)))
        assert (result.state, result.code, result.field) == ("rejected", code.lower(), "emailaddress1")
        assert result.blames_setting is False

    @pytest.mark.parametrize(
        ("status", "code", "message"),
        [
            (500, "0x80044150", "Generic SQL error. Sql Number: 1205"), (500, "0x80044150", "deadlock victim"),
            (500, "0x80044151", "SQL timeout expired"), (400, "0x80040216", ""), (401, "0x8005F101", ""),
            (503, "0x1234", ""), (504, "", ""), (500, "", ""), (429, "", ""), (400, "0x80072321", ""),
        ],
    )  # fmt: skip
    def test_passing_troubles_send_the_record_again(self, server, status, code, message):
        result, _ = write(server, said(bad(code, message, status=status), good(1)), size=2)
        assert result.state == "retry"

    @pytest.mark.parametrize("code", ["0x80060892", "0x80040237"])
    @pytest.mark.parametrize(
        ("message", "state"),
        [
            (KEY_TAKEN.format("Afluente Id"), "retry"),
            ("Cannot insert duplicate key.", "retry"),
            ("<DuplicateAttributes><new_afluenteid>key-0</new_afluenteid></DuplicateAttributes>", "retry"),
            (KEY_TAKEN.format("Email"), "rejected"),
            ("<DuplicateAttributes><emailaddress1>x</emailaddress1></DuplicateAttributes>", "rejected"),
        ],
    )
    def test_our_key_taken_a_moment_ago_is_sent_again_and_another_key_is_not(self, server, code, message, state):
        assert write(server, said(bad(code, message, status=412)))[0].state == state

    @pytest.mark.parametrize("code", ["0x80060891", "0x80040217"])
    def test_a_record_that_is_gone_is_done_where_it_was_only_to_be_updated(self, server, code):
        gone = bad(code, "A record with the specified key values does not exist in lead entity", status=404)
        server.script = [said(gone, gone)]
        results = writer(server.url).write([Record("a", FIELDS, update_only=True), Record("b", FIELDS)])
        assert [(result.state, result.code) for result in results] == [("written", "record_gone"), ("rejected", code)]

    def test_a_table_that_is_not_there_is_no_record_that_is_gone(self, server):
        server.script = [said(bad("0x8006088a", "Resource not found for the segment 'leadz'.", status=404))]
        (result,) = writer(server.url).write([Record("a", FIELDS, update_only=True)])
        assert (result.state, result.blames_setting) == ("rejected", True)

    @pytest.mark.parametrize(
        ("status", "code", "message"),
        [
            (400, "0x80060888", "The key in the request URI is not valid for resource"),
            (403, "0x80040220", "Principal user is missing prvCreateLead privilege"),
            (400, "0x80048d19", "An undeclared property 'new_foo' which only has property annotations"),
            (400, "0x80048d19", "Invalid property 'new_foo' was found in entity"),
            (403, "", ""), (404, "", ""),
        ],
    )  # fmt: skip
    def test_a_refusal_that_may_be_for_a_setting_says_so(self, server, status, code, message):
        results = write(server, said(bad(code, message, status=status), bad("0x80044331"), good(2)), size=3)
        assert [result.state for result in results] == ["rejected", "rejected", "written"]
        assert [result.blames_setting for result in results] == [True, False, False]

    def test_the_crms_words_lose_the_values_of_the_lead(self, server):
        (result,) = write(server, said(bad("0x80048d19", f"{WRONG_TYPE} for Brandt GmbH, ada.brandt@example.org")))
        assert "expected type" in (result.message or "")
        assert not [value for value in ("Ada", "Brandt", "GmbH", "@") if value in (result.message or "")]


class TestLimits:
    @pytest.mark.parametrize(
        ("code", "words"),
        [("0x80072322", "requests in five"), ("0x80072321", "execution time"), ("0x80072326", "calls at once")],
    )
    @pytest.mark.parametrize("status", [429, 503])
    def test_each_limit_waits_as_told_whatever_the_status(self, server, code, words, status):
        with pytest.raises(QuotaError, match=words) as caught:
            write(server, refused(status, code, "exceeded", Retry_After="17"))
        assert caught.value.retry_after == 17

    def test_a_wait_may_be_a_date_and_else_is_half_a_minute_or_less(self, server):
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
        for answer, least, most in [
            (refused(429, "0x80072322", Retry_After=at), 50, 60),
            (refused(429, "0x80072322"), 30, 30),
            (refused(429, "0x80072326"), 5, 5),
            ((429, {}, b""), 30, 30),
        ]:
            with pytest.raises(QuotaError) as caught:
                write(server, answer)
            assert least <= caught.value.retry_after <= most

    def test_a_batch_of_which_nothing_got_through_waits_for_the_longest_of_its_times(self, server):
        parts = [bad("0x80072322", status=429, Retry_After="3"), bad("0x80072321", status=429, Retry_After="9")]
        with pytest.raises(QuotaError) as caught:
            write(server, said(*parts), size=2)
        assert caught.value.retry_after == 9

    def test_what_was_written_before_a_limit_is_told_and_the_next_call_waits(self, server):
        server.script = [said(good(0), bad("0x80072322", status=429, Retry_After="1")), said(good(1))]
        opened = writer(server.url)
        assert [result.state for result in opened.write(batch(2))] == ["written", "retry"]
        with pytest.raises(QuotaError) as caught:
            opened.write(batch(1))
        assert 0 < caught.value.retry_after <= 1
        assert len(server.asked) == 1
        with pytest.raises(QuotaError):
            opened.delete(batch(1))
        assert len(server.asked) == 1
        time.sleep(1)
        assert opened.write(batch(1))[0].state == "written"

    def test_a_limit_that_a_deletion_met_holds_the_next_one_back(self, server):
        limited = said(done(""), bad("0x80072322", status=429, Retry_After="60"))
        server.script = [limited, said(done(""))]
        opened = writer(server.url)
        records = [Record(f"key-{number}", {}, crm_id=guid(number)) for number in range(2)]
        assert [result.state for result in opened.delete(records)] == ["written", "retry"]
        with pytest.raises(QuotaError):
            opened.delete(records[1:])
        assert len(server.asked) == 1

    def test_limits_of_five_minutes_are_not_taken_for_a_quota_of_a_day(self, server):
        server.script = [said(good(), x_ms_ratelimit_burst_remaining_xrm_requests="5999")]
        opened = writer(server.url)
        opened.write(batch(1))
        assert opened.usage == Usage()


class TestWholeCalls:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
    def test_a_failing_server_is_asked_again_later(self, server, status):
        with pytest.raises(TransientError):
            write(server, (status, {}, b"<html>"))

    @pytest.mark.parametrize(
        ("status", "code", "message"), [(400, "0x80044150", "Sql Number: 1205"), (403, "0x80040216", "unexpected")]
    )
    def test_a_code_that_passes_is_asked_again_later_whatever_the_status(self, server, status, code, message):
        with pytest.raises(TransientError, match=code):
            write(server, refused(status, code, message))

    def test_a_number_of_the_lead_does_not_hide_what_the_code_says(self, server):
        server.script = [refused(400, "0x80044150", "Sql Number: 1205")]
        with pytest.raises(TransientError):
            writer(server.url).write([Record("a", {"address1_line1": "Ring 1205"})])

    def test_a_hung_up_line_is_asked_again_later(self, server):
        with pytest.raises(TransientError, match="no usable answer"):
            write(server, None)

    def test_a_slow_server_is_asked_again_later(self, server):
        with pytest.raises(TransientError):
            write(server, (200, {"Content-Length": "9"}, b"["), timeout_seconds=0.2)

    @pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"{}", b"", b"--batchresponse_1--"])
    def test_a_200_that_is_no_batch_proves_nothing(self, server, body):
        with pytest.raises(TransientError, match="answered 200"):
            write(server, (200, {"Content-Type": "text/html"}, body))

    @pytest.mark.parametrize("body", [b"<html>", b"--batchresponse_1\r\n\r\nHTTP/1.1 200 OK", b"\x00" * 9])
    def test_a_batch_that_was_cut_or_garbled_says_nothing_of_any_record(self, server, body):
        results = write(server, (200, {"Content-Type": "multipart/mixed; boundary=batchresponse_1"}, body), size=2)
        assert [(result.state, result.code) for result in results] == [("retry", "no_result")] * 2

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (refused(400, "0x80060888", "The current batch message contains too many parts, see 'Ada1'"), "0x80060888"),
            ((400, {}, b"Bad Request Brandt"), "call_refused"),
            ((413, {}, b"<html>"), "call_too_large"),
        ],
    )
    def test_a_call_that_is_refused_for_what_is_in_it_blames_its_records_and_is_made_once(self, server, answer, code):
        with pytest.raises(RecordError) as caught:
            write(server, answer, size=100)
        assert caught.value.code == code
        assert not [value for value in ("Ada1", "Brandt") if value in str(caught.value)]
        assert len(server.asked) == 1

    @pytest.mark.parametrize(
        ("status", "code"), [(403, "0x80072560"), (403, ""), (404, "0x8006088a"), (404, ""), (405, ""), (302, "")]
    )
    def test_wrong_settings_stop_the_destination(self, server, status, code):
        with pytest.raises(TerminalError) as caught:
            write(server, refused(status, code, "The user 'Brandt' is not a member of the organization."))
        assert code in str(caught.value)
        assert "Brandt" not in str(caught.value)

    def test_check_reads_one_id_and_raises_as_write_does(self, server):
        server.script = [
            (200, {}, b"{}"),
            refused(400, "0x80060888", "Could not find a property named 'new_afluenteid'"),
        ]
        opened = writer(server.url)
        opened.check()
        assert server.asked[0]["path"] == f"{API}/leads"
        assert server.asked[0]["query"] == {"$select": "leadid,new_afluenteid", "$top": "1"}
        with pytest.raises(TerminalError, match="0x80060888"):
            opened.check()
        opened.close()


PART = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda status, body: b"HTTP/1.1 " + status + b"\r\nRetry-After: x\r\n\r\n" + body,
        st.sampled_from([b"200 OK", b"204", b"400 x", b"429 x", b"999", b"abc"]),
        st.one_of(
            st.binary(max_size=20),
            st.recursive(
                st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(st.sampled_from(["error", "code", "message", "leadid", "new_afluenteid"]), inner)
                ),
                max_leaves=6,
            ).map(lambda value: json.dumps(value).encode()),
        ),
    ),
)


@pytest.mark.long
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PART, max_size=5), st.sampled_from([200, 400, 403, 404, 429, 500]))
def test_whatever_dataverse_answers_each_record_has_a_result_or_the_call_an_error_of_ours(server, bodies, status):
    template = good()
    server.script = [said(*[type(template)({}, body) for body in bodies], status=status)]
    records = batch(4)
    try:
        results = writer(server.url).write(records)
    except (TransientError, QuotaError, TerminalError, RecordError):
        return
    assert [result.key for result in results] == [record.key for record in records]
    assert {result.state for result in results} <= {"written", "retry", "rejected"}
