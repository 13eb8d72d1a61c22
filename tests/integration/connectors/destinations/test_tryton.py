"""The Tryton writer: what it asks for, and every answer sorted by what happens next. test_tryton_itself.py starts a
real Tryton; here a server says what one would say when something is wrong."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.destinations.tryton import DESTINATION
from connectors.kit import (
    ConfigurationError,
    Connection,
    QuotaError,
    Record,
    RecordError,
    Secrets,
    TerminalError,
    TransientError,
)
from tests.support.properties import examples

FIELDS = {"name": "Ada Brandt", "email": "ada.brandt@example.org", "comment": "Call me."}
SECRETS = {"user": "robot", "password": "very-secret-1"}
LEAST_RETRY_AFTER = 5.0  # the timeout of these writers: for so long the server may still be at it


def said(result, status: int = 200, **headers: str):
    return status, headers, json.dumps({"id": 1, "result": result}).encode()


def refused(kind: str, *details) -> tuple:
    return 200, {}, json.dumps({"id": 1, "error": [kind, list(details)]}).encode()


def failed(text: str) -> tuple:
    return 200, {}, json.dumps({"id": 1, "error": [text, ""]}).encode()


LOGIN = said([7, "key", None])
PREFERENCES = said({"company": 3, "employee": 4})
OPENED = (LOGIN, PREFERENCES)
NOBODY = said([])
NOT_ALLOWED = 'You are not allowed to access "Sale Opportunity".'


def known(*keys: str, **more):
    """What Tryton says of people whom it has already, as FIELDS are."""
    mechanism = {"id": 31, "type": "email", "value": FIELDS["email"], "comment": "Kept by Afluente: …"}
    return [
        {
            "id": 100 + number,
            "reference": key,
            "state": "lead",
            "party": 200 + number,
            "comment": f"\n\n{FIELDS['comment']}\n-- Kept by Afluente. Write below this line. --",
            "party.": {"id": 200 + number, "code": key, "name": FIELDS["name"], "contact_mechanisms.": [mechanism]},
            **more,
        }
        for number, key in enumerate(keys)
    ]


def writer(url: str, **more):
    given = {"options": {"database": "crm"}, "secrets": SECRETS, "timeout_seconds": 5.0, **more}
    return DESTINATION.connect(Connection("crm", url, **given))


def batch(size: int = 1, **fields) -> list[Record]:
    return [Record(f"key-{number}", {**FIELDS, **fields}) for number in range(size)]


def write(server, *answers, size: int = 1, opened=OPENED, **fields):
    server.script = [*opened, *answers]
    return writer(server.url).write(batch(size, **fields))


def methods(server) -> list[str]:
    return [json.loads(asked["body"])["method"] for asked in server.asked]


def params(server, number: int) -> list:
    return json.loads(server.asked[number]["body"])["params"]


class TestTheRequests:
    def test_new_people_take_two_looks_and_two_requests_that_make_all_of_them(self, server):
        results = write(server, NOBODY, NOBODY, said([21, 22]), said([11, 12]), size=2)
        assert [(result.state, result.crm_id, result.created) for result in results] == [
            ("written", "11", True),
            ("written", "12", True),
        ]
        assert methods(server) == [
            "common.db.login",
            "model.res.user.get_preferences",
            "model.sale.opportunity.search_read",
            "model.party.party.search_read",
            "model.party.party.create",
            "model.sale.opportunity.create",
        ]
        parties, context = params(server, 4)
        assert [party["code"] for party in parties] == ["key-0", "key-1"]
        assert parties[0]["contact_mechanisms"][0][1][0]["value"] == "ada.brandt@example.org"
        assert context == {"company": 3, "employee": 4, "language": "en", "active_test": False}
        leads, _ = params(server, 5)
        assert [(lead["reference"], lead["party"]) for lead in leads] == [("key-0", 21), ("key-1", 22)]

    def test_who_is_there_already_takes_one_look(self, server):
        results = write(server, said(known("key-0", "key-1")), size=2)
        assert [(result.crm_id, result.created) for result in results] == [("100", False), ("101", False)]
        assert len(server.asked) == 3

    def test_an_answer_in_another_order_is_told_by_the_keys(self, server):
        results = write(server, said(known("key-1", "key-0")), size=2)
        assert [(result.key, result.crm_id) for result in results] == [("key-0", "101"), ("key-1", "100")]

    def test_a_changed_value_is_written_to_the_mechanism_that_is_ours(self, server):
        write(server, said(known("key-0")), said(None), email="ada@example.com")
        assert methods(server)[3] == "model.party.party.write"
        ids, values, _ = params(server, 3)
        assert (ids, values) == ([200], {"contact_mechanisms": [["write", [31], {"value": "ada@example.com"}]]})

    def test_a_party_that_a_cut_call_left_gets_its_opportunity_and_no_second_party(self, server):
        party = known("key-0")[0]["party."]
        (result,) = write(server, NOBODY, said([party]), said([11]))
        assert (result.crm_id, result.created) == ("11", True)
        assert "model.party.party.create" not in methods(server)

    def test_of_two_opportunities_with_one_reference_the_elder_is_kept_and_no_third_made(self, server):
        (result,) = write(server, said([*known("key-0"), {**known("key-0")[0], "id": 177}]))
        assert (result.crm_id, result.created) == ("100", False)

    def test_the_company_of_the_settings_goes_before_that_of_the_account(self, server):
        server.script = [*OPENED, said(known("key-0"))]
        writer(server.url, options={"database": "crm", "company": 9}).write(batch())
        assert params(server, 2)[-1] == {"company": 9, "employee": None, "language": "en", "active_test": False}

    def test_database_and_session_are_where_tryton_looks_for_them(self, server):
        write(server, said(known("key-0")))
        assert {asked["path"] for asked in server.asked} == {"/crm/rpc/"}
        session = base64.b64encode(b"robot:7:key").decode()
        assert [asked["headers"].get("Authorization") for asked in server.asked] == [None, *[f"Session {session}"] * 2]

    @pytest.mark.parametrize("records", [batch() * 2, batch(101)], ids=["doubled key", "too many"])
    def test_a_call_that_is_no_batch_is_not_made(self, server, records):
        with pytest.raises(ValueError, match="at most 100 records with different keys"):
            writer(server.url).write(records)
        assert writer(server.url).write([]) == []
        assert server.asked == []

    def test_a_mapping_may_not_write_what_records_are_known_by(self, server):
        with pytest.raises(TerminalError, match=r"may not write party\.code, reference"):
            write(server, NOBODY, reference="x", **{"party.code": "x"})
        assert server.asked == []


class TestTheSession:
    def test_a_session_that_ended_is_opened_once_more_and_the_request_repeated(self, server):
        (result,) = write(server, said(None, 401), said([7, "new", None]), said(known("key-0")))
        assert result.state == "written"
        look = "model.sale.opportunity.search_read"
        assert methods(server)[2:] == [look, "common.db.login", look]

    def test_a_session_refused_twice_needs_a_human(self, server):
        with pytest.raises(TerminalError, match="refuses the session"):
            write(server, said(None, 401), said([7, "new", None]), said(None, 401))
        assert len(server.asked) == 5

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (said(None, 401), TerminalError),
            (said(None, 404), TerminalError),
            (said(None, 429), QuotaError),
            (said(None, 503), TransientError),
            (said("?"), TransientError),
            ((200, {}, b"<html>"), TransientError),
            (None, TransientError),
        ],
        ids=["password", "database", "too many tries", "busy", "no key", "html", "hung up"],
    )
    def test_a_login_that_fails_says_what_happens_next_and_shows_no_password(self, server, answer, error):
        with pytest.raises(error) as caught:
            write(server, answer, opened=())
        assert "very-secret-1" not in str(caught.value)

    def test_an_account_without_a_company_is_told_so(self, server):
        with pytest.raises(TerminalError, match=r"destinations\.crm\.options\.company"):
            write(server, opened=(LOGIN, said({"employee": None})))

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"options": {}}, r"destinations\.crm\.options\.database is not set"),
            ({"secrets": Secrets("crm", {"user": "robot"})}, r"destinations\.crm\.secrets\.password is not set"),
        ],
    )
    def test_what_is_not_set_is_a_sentence(self, more, words):
        with pytest.raises(ConfigurationError, match=words):
            writer("http://127.0.0.1:1", **more)


class TestRefusals:
    def test_one_bad_value_refuses_the_call_and_is_named_by_its_field_alone(self, server):
        text = 'The value "Ada Brandt" for field "Type" in record "Ada Brandt <x>" of "Party" is not valid.'
        with pytest.raises(RecordError) as caught:
            write(server, NOBODY, NOBODY, refused("UserError", text, "", None), size=2)
        assert (caught.value.code, caught.value.field) == ("user_error", "Type")
        assert not [value for value in ("Ada", "Brandt", "key-0", "@") if value in str(caught.value)]

    def test_a_value_that_sounds_like_a_message_is_not_taken_for_the_field(self, server):
        text = 'The value "for field "Brandt"" for field "Name" in record "x" of "Party" is not valid.'
        with pytest.raises(RecordError) as caught:
            write(server, NOBODY, NOBODY, refused("UserError", text, "", None))
        assert caught.value.field is None
        assert "Brandt" not in str(caught.value)

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (refused("UserWarning", "name", "Brandt exists already", ""), "user_warning"),
            (failed("could not convert string to float: 'Brandt'"), "server_error"),
            ((413, {}, b"<html>"), "call_too_large"),
        ],
    )
    def test_other_refusals_of_what_is_in_a_call_have_codes_of_their_own(self, server, answer, code):
        with pytest.raises(RecordError) as caught:
            write(server, NOBODY, NOBODY, answer)
        assert caught.value.code == code
        assert "Brandt" not in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        [
            NOT_ALLOWED,
            'You are not allowed to create records of "Party" because they fail on at least one of these rules:\nx',
            'You are not allowed to modify the field "State" of "Sale Opportunity".',
        ],
    )
    def test_a_right_that_is_lacking_for_all_stops_the_destination(self, server, text):
        with pytest.raises(TerminalError, match="not allowed"):
            write(server, NOBODY, NOBODY, refused("UserError", text, "", None))

    def test_a_record_that_may_not_be_changed_stops_nobody_else(self, server):
        text = 'You are not allowed to modify the field "Employee" in record "7 [key-0]" of "Sale Opportunity".'
        with pytest.raises(RecordError) as caught:
            write(server, said(known("key-0")), refused("UserError", text, "", None), employee=9)
        assert caught.value.field == "Employee"

    def test_a_search_that_is_refused_stops_the_destination(self, server):
        with pytest.raises(TerminalError, match="not allowed to access"):
            write(server, refused("UserError", NOT_ALLOWED, "", None))

    @pytest.mark.parametrize("field", ["utm_source", "party.utm_source"])
    def test_a_field_that_tryton_does_not_have_is_named(self, server, field):
        with pytest.raises(TerminalError, match=f"Tryton has no field {field}; check the mapping"):
            write(server, failed("'utm_source'"), **{field: "fair"})

    @pytest.mark.parametrize(
        "answer",
        [
            refused("UserError", "The code on party must be unique.", "", None),
            refused("UserError", 'You are trying to write to records "7" of "Party" that don\'t exist.', "", None),
            (200, {}, json.dumps({"id": 1, "error": ["ConcurrencyException", "Ada Brandt"]}).encode()),
            failed('duplicate key value violates unique constraint "afluente_reference"'),
        ],
        ids=["made meanwhile", "deleted meanwhile", "changed meanwhile", "reference taken"],
    )
    def test_who_loses_a_race_looks_again(self, server, answer):
        with pytest.raises(TransientError, match="somebody else was first") as caught:
            write(server, NOBODY, NOBODY, answer)
        assert caught.value.retry_after is None


class TestWholeCalls:
    @pytest.mark.parametrize(
        "answer", [(500, {}, b"<html>"), (503, {}, b""), (504, {}, b""), (200, {}, b"<html>"), None]
    )
    def test_a_look_that_fails_is_made_again_when_it_suits(self, server, answer):
        with pytest.raises(TransientError) as caught:
            write(server, answer)
        assert caught.value.retry_after is None

    @pytest.mark.parametrize(
        "answer", [(502, {}, b"<html>"), (504, {}, b""), (200, {}, b"<html>"), (200, {}, b""), None]
    )
    @pytest.mark.parametrize(
        "before", [(NOBODY, NOBODY), (NOBODY, NOBODY, said([21]))], ids=["parties", "opportunities"]
    )
    def test_nobody_looks_again_at_once_after_a_request_that_the_server_may_still_be_at(self, server, before, answer):
        with pytest.raises(TransientError) as caught:
            write(server, *before, answer)
        assert caught.value.retry_after == LEAST_RETRY_AFTER

    def test_a_time_that_the_server_names_goes_before_ours(self, server):
        with pytest.raises(TransientError) as caught:
            write(server, NOBODY, NOBODY, (503, {"Retry-After": "17"}, b""))
        assert caught.value.retry_after == 17

    @pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
    def test_a_429_of_a_proxy_waits_as_told(self, server, as_date):
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
        with pytest.raises(QuotaError) as caught:
            write(server, (429, {"Retry-After": date if as_date else "60"}, b""))
        assert 40 < caught.value.retry_after <= 60

    @pytest.mark.parametrize("status", [400, 403, 404, 410, 422, 302])
    def test_wrong_settings_stop_the_destination(self, server, status):
        with pytest.raises(TerminalError):
            write(server, (status, {}, b"<html>"))

    @pytest.mark.parametrize("ids", [None, [], [21], [21, "x"], {"ids": 1}], ids=repr)
    def test_of_made_records_without_an_id_each_nothing_is_believed(self, server, ids):
        with pytest.raises(TransientError, match="lacks ids"):
            write(server, NOBODY, NOBODY, said(ids), size=2)
        assert methods(server)[-1] == "model.party.party.create"

    def test_a_write_begins_no_request_late_in_its_time(self, server):
        """A request given up early goes on in the server, unseen."""
        account = writer(server.url)._account
        account.start()
        account._until -= 3
        with pytest.raises(TransientError, match="too slow for one write in 5 seconds") as caught:
            account.write("party.party.create", [], values=[])
        assert caught.value.retry_after is None
        assert server.asked == []

    def test_check_names_the_right_that_is_lacking(self, server):
        rights = {"read": 1, "write": 1, "create": 1, "delete": 0}
        allowed = {
            "party.party": rights,
            "party.contact_mechanism": rights,
            "sale.opportunity": {**rights, "create": 0},
        }
        server.script = [*OPENED, said(allowed)]
        with pytest.raises(TerminalError, match="may not create opportunities"):
            writer(server.url).check()


ANYTHING = st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
MECHANISM = st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "type", "value", "comment"), ANYTHING))
PARTY = st.fixed_dictionaries(
    {},
    optional={
        "id": ANYTHING,
        "code": st.just("key-0") | ANYTHING,
        "name": ANYTHING,
        "replaced_by": ANYTHING,
        "contact_mechanisms.": ANYTHING | st.lists(MECHANISM, max_size=2),
    },
)
LEAD = st.fixed_dictionaries(
    {},
    optional={
        "id": ANYTHING,
        "reference": st.sampled_from(["key-0", "key-1"]) | ANYTHING,
        "state": st.just("lead") | ANYTHING,
        "comment": ANYTHING,
        "party.": ANYTHING | PARTY,
    },
)


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(LEAD, max_size=3) | ANYTHING,
    st.lists(PARTY, max_size=3) | ANYTHING,
    st.lists(st.integers(1, 99), min_size=2, max_size=2) | ANYTHING,
)
def test_whatever_tryton_answers_each_record_has_a_result_or_the_call_an_error_of_ours(server, leads, parties, ids):
    server.script = [*OPENED, said(leads), said(parties), said(ids), said(ids)]
    records = batch(2)
    try:
        results = writer(server.url).write(records)
    except (TransientError, TerminalError):
        return
    assert [result.key for result in results] == [record.key for record in records]
    assert all(result.crm_id for result in results)
