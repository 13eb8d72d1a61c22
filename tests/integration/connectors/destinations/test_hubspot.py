"""The HubSpot writer: what it sends, and one result for each record whatever the order of the answer."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.kit import ConfigurationError, QuotaError, Record, RecordError, TerminalError, TransientError, Usage
from tests.support.hubspot_crm import (
    READ,
    UPDATE,
    UPSERT,
    bad,
    batch,
    good,
    invalid,
    mark,
    paths,
    people,
    person,
    said,
    sent,
    write,
    writer,
)
from tests.support.properties import examples


class TestTheCall:
    def test_each_record_goes_by_our_key_with_a_trace_id_of_its_own(self, server):
        write(server, batch([good(0), good(1)]), size=2)
        assert paths(server) == [UPSERT]
        assert server.asked[0]["headers"]["Authorization"] == "Bearer t"
        first, second = sent(server)["inputs"]
        assert first == {
            "id": "key-0",
            "idProperty": "afluente_id",
            "objectWriteTraceId": "key-0",
            "properties": {
                "afluente_id": "key-0",
                "email": "ada0@example.org",
                "firstname": "Ada",
                "lastname": "Brandt0",
            },
        }
        assert second["objectWriteTraceId"] == "key-1"

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, ""),
            (True, "true"),
            (False, "false"),
            (20, "20"),
            (20.0, "20"),
            (0.5, "0.5"),
            (1e16, "10000000000000000"),
            (1e-7, "0.0000001"),
            (["a", "b"], "a;b"),
            (date(2026, 3, 2), "2026-03-02"),
            (datetime(2026, 3, 2, 9, 14, 55, tzinfo=UTC), "2026-03-02T09:14:55+00:00"),
            ("2026-03-02T09:14:55Z", "2026-03-02T09:14:55Z"),
        ],
    )
    def test_every_value_is_a_text_and_none_empties(self, server, value, text):
        server.script = [batch([good()])]
        writer(server.url).write([person(city=value)])
        assert sent(server)["inputs"][0]["properties"]["city"] == text

    def test_key_property_and_version_are_options(self, server):
        options = {"external_id_property": "person_key", "api_version": "2026-03"}
        write(server, batch([good()]), options=options)
        assert paths(server) == ["/crm/objects/2026-03/contacts/batch/upsert"]
        assert sent(server)["inputs"][0]["idProperty"] == "person_key"
        assert writer(server.url, options=options).sent_as == "contacts by person_key"

    @pytest.mark.parametrize("version", ["4", "v3/x", "2026", "2026-3"])
    def test_a_version_that_is_none_is_told_with_those_allowed(self, server, version):
        with pytest.raises(ConfigurationError, match=r"api_version .* allowed: v3 or such as 2026-03"):
            writer(server.url, options={"api_version": version})

    def test_no_records_make_no_call(self, server):
        assert writer(server.url).write([]) == []
        assert server.asked == []

    @pytest.mark.parametrize("records", [people(1) * 2, people(101)], ids=["doubled key", "too many"])
    def test_a_call_that_would_break_hubspots_rules_is_not_made(self, server, records):
        with pytest.raises(ValueError, match="at most 100 records with different keys"):
            writer(server.url).write(records)
        assert server.asked == []

    def test_of_two_records_with_one_email_only_one_goes_and_the_others_are_written(self, server):
        server.script = [batch([good(0), good(2)])]
        records = [person(0), person(1, email=" ADA0@Example.org"), person(2)]
        results = writer(server.url).write(records)
        assert [(result.state, result.code) for result in results] == [
            ("written", None),
            ("retry", "same_email"),
            ("written", None),
        ]
        assert [entry["id"] for entry in sent(server)["inputs"]] == ["key-0", "key-2"]

    def test_who_has_a_contact_goes_before_a_newcomer_with_the_same_email(self, server):
        server.script = [batch([good(1, new=False)])]
        known = Record("key-1", person(0).fields, crm_id="901")
        assert [result.state for result in writer(server.url).write([person(0), known])] == ["retry", "written"]


class TestResults:
    def test_they_are_told_apart_by_trace_id_in_any_order(self, server):
        results = write(server, batch([good(2, new=False), good(0), good(1)]), size=3)
        assert [(result.key, result.crm_id, result.created) for result in results] == [
            ("key-0", "900", True),
            ("key-1", "901", True),
            ("key-2", "902", False),
        ]

    def test_without_trace_ids_by_the_value_of_the_key_property(self, server):
        untraced = [
            {"id": f"90{number}", "properties": {"afluente_id": f"key-{number}", "email": f"ada{number}@example.org"}}
            for number in (1, 0)
        ]
        results = write(server, batch(untraced), size=2)
        assert [(result.key, result.crm_id) for result in results] == [("key-0", "900"), ("key-1", "901")]

    def test_each_error_goes_to_its_record_and_the_others_are_written(self, server):
        errors = [invalid("INVALID_EMAIL", key="key-1"), bad("INTERNAL_ERROR", key="key-2")]
        results = write(server, batch([good(0)], errors), size=3)
        assert [(result.state, result.code, result.field) for result in results] == [
            ("written", None, None),
            ("rejected", "INVALID_EMAIL", "email"),
            ("retry", "INTERNAL_ERROR", None),
        ]

    @pytest.mark.parametrize("code", ["INVALID_OPTION", "INVALID_INTEGER", "INVALID_DATE", "NEVER_HEARD_OF"])
    def test_a_value_that_is_refused_refuses_the_record_alone(self, server, code):
        (result,) = write(server, batch([], [invalid(code, "city")]))
        assert (result.state, result.code, result.field, result.blames_setting) == ("rejected", code, "city", False)

    @pytest.mark.parametrize("code", ["PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"])
    def test_a_property_that_is_missing_or_fixed_blames_the_settings(self, server, code):
        (result,) = write(server, batch([], [invalid(code, "afluente_latest_source")]))
        assert (result.state, result.code, result.blames_setting) == ("rejected", code, True)
        assert result.field == "afluente_latest_source"

    @pytest.mark.parametrize("category", ["RATE_LIMITS", "LOCKED", "SERVICE_UNAVAILABLE", "CONFLICT"])
    def test_passing_troubles_send_the_record_again(self, server, category):
        assert write(server, batch([], [bad(category)]))[0].state == "retry"

    def test_our_key_taken_a_moment_ago_is_a_race_and_another_unique_value_is_not(self, server):
        race = invalid("CONFLICTING_UNIQUE_VALUE", "afluente_id", "901 already has that value.")
        assert write(server, batch([], [race]))[0].state == "retry"
        taken = invalid("CONFLICTING_UNIQUE_VALUE", "phone", "493012345678 already has that value.")
        (result,) = write(server, batch([], [taken]))
        assert (result.state, "4930" in (result.message or "")) == ("rejected", False)
        assert paths(server) == [UPSERT, UPSERT], "nobody is linked for another property than the e-mail"

    def test_reasons_in_a_list_are_read_as_well(self, server):
        error = bad("VALIDATION_ERROR", "no", errors=[{"code": "INVALID_DATE", "context": {"propertyName": ["zip"]}}])
        (result,) = write(server, batch([], [error]))
        assert (result.code, result.field) == ("INVALID_DATE", "zip")

    def test_a_record_that_the_answer_leaves_out_is_sent_again(self, server):
        results = write(server, batch([good(1)]), size=3)
        assert [(result.state, result.code) for result in results] == [
            ("retry", "no_result"),
            ("written", None),
            ("retry", "no_result"),
        ]

    def test_an_error_that_names_no_record_is_that_of_the_only_one_left(self, server):
        error = invalid("INVALID_EMAIL") | {"context": {}}
        results = write(server, batch([good(0), good(2)], [error]), size=3)
        assert [result.state for result in results] == ["written", "rejected", "written"]

    def test_an_error_that_may_be_of_several_is_nobodys(self, server):
        error = invalid("INVALID_EMAIL") | {"context": {}}
        results = write(server, batch([good(0)], [error]), size=3)
        assert [(result.state, result.code) for result in results] == [
            ("written", None),
            ("retry", "INVALID_EMAIL"),
            ("retry", "INVALID_EMAIL"),
        ]

    @pytest.mark.parametrize("entry", [{}, {"id": None}, {"id": ""}])
    def test_a_success_without_an_id_is_no_success(self, server, entry):
        (result,) = write(server, batch([{"objectWriteTraceId": "key-0", **entry}]))
        assert (result.state, result.code) == ("retry", "no_id")

    def test_the_id_of_a_contact_that_was_merged_is_followed(self, server):
        server.script = [batch([good(7, new=False, key="key-0")])]
        (result,) = writer(server.url).write([Record("key-0", person(0).fields, crm_id="123")])
        assert (result.state, result.crm_id) == ("written", "907")

    def test_the_crms_words_lose_the_values_of_the_lead(self, server):
        error = invalid("INVALID_EMAIL", said_of_it="Email ada0@example.org of Brandt0, or 49301234567, is invalid")
        (result,) = write(server, batch([], [error]))
        assert "is invalid" in (result.message or "")
        assert not [value for value in ("ada0", "Brandt0", "@", "4930") if value in (result.message or "")]


class TestMarks:
    def test_a_mark_updates_by_our_key_and_makes_nobody(self, server):
        server.script = [batch([good(1)])]
        (result,) = writer(server.url).write([mark("key-1")])
        assert (result.state, result.created, result.crm_id) == ("written", False, "901")
        assert paths(server) == [UPDATE]
        assert sent(server)["inputs"][0]["properties"] == {"afluente_merged_into": "key-0"}

    @pytest.mark.parametrize(
        "answer",
        [
            batch([good(2)], [bad("OBJECT_NOT_FOUND", key="key-1")]),
            batch([good(2)], [bad("OBJECT_NOT_FOUND") | {"context": {"ids": ["key-1"]}}]),
        ],
        ids=["by trace id", "by id"],
    )
    def test_a_contact_that_is_gone_is_not_made_again_to_be_marked(self, server, answer):
        server.script = [answer]
        results = writer(server.url).write([mark("key-1"), mark("key-2")])
        assert [(result.state, result.code) for result in results] == [("written", "record_gone"), ("written", None)]

    def test_a_call_for_one_contact_that_is_gone_may_be_a_404(self, server):
        server.script = [said(bad("OBJECT_NOT_FOUND") | {"context": {}}, 404)]
        (result,) = writer(server.url).write([mark("key-1")])
        assert (result.state, result.code) == ("written", "record_gone")

    def test_marks_and_others_take_turns_and_each_write_makes_one_call(self, server):
        server.script = [batch([good(0)]), batch([good(1)]), batch([good(0, new=False)])]
        opened = writer(server.url)
        both = [mark("key-1"), person(0)]
        assert [(result.state, result.code) for result in opened.write(both)] == [
            ("retry", "sent_apart"),
            ("written", None),
        ]
        assert [(result.state, result.code) for result in opened.write(both)] == [
            ("written", None),
            ("retry", "sent_apart"),
        ]
        opened.write(both)
        assert paths(server) == [UPSERT, UPDATE, UPSERT]


class TestWhoIsThereByEmail:
    there = bad("CONFLICT", "Contact already exists. Existing ID: 123", key="key-1")

    def owners(self, **keys):
        """The answer to whose contacts are."""
        return batch([{"id": name[1:], "properties": {"afluente_id": key}} for name, key in keys.items()])

    def test_gets_our_key_and_the_record_in_two_calls_more(self, server):
        linked = batch([{"id": "123", "objectWriteTraceId": "key-1", "properties": {}}])
        results = write(server, batch([good(0)], [self.there]), self.owners(c123=None), linked, size=2)
        assert [(result.state, result.crm_id, result.code, result.created) for result in results] == [
            ("written", "900", None, True),
            ("written", "123", "linked", False),
        ]
        assert paths(server) == [UPSERT, READ, UPDATE]
        (entry,) = sent(server, 2)["inputs"]
        assert (entry["id"], "idProperty" in entry, entry["properties"]["afluente_id"]) == ("123", False, "key-1")
        assert entry["properties"]["email"] == "ada1@example.org"

    def test_many_at_once_cost_no_more_calls(self, server):
        conflicts = [bad("CONFLICT", f"Existing ID: {100 + number}", key=f"key-{number}") for number in range(60)]
        linked = [{"id": str(100 + number), "objectWriteTraceId": f"key-{number}"} for number in range(60)]
        owners = self.owners(**{f"c{100 + number}": "" for number in range(60)})
        results = write(server, batch([], conflicts), owners, batch(linked), size=60)
        assert {result.code for result in results} == {"linked"}
        assert len(server.asked) == 3

    def test_a_contact_that_is_another_persons_is_never_taken_and_all_but_the_email_is_written(self, server):
        written = batch([good(1)])
        results = write(server, batch([good(0)], [self.there]), self.owners(c123="key-9"), written, size=2)
        assert (results[1].state, results[1].code, results[1].field) == ("rejected", "CONFLICT", "email")
        assert (results[1].crm_id, "123" in (results[1].message or "")) == ("901", True)
        assert paths(server) == [UPSERT, READ, UPSERT]
        (entry,) = sent(server, 2)["inputs"]
        assert (entry["id"], "email" in entry["properties"]) == ("key-1", False)

    def test_who_has_a_contact_of_their_own_does_not_get_a_second_one_with_the_email(self, server):
        there = self.there | {"context": {"objectWriteTraceId": ["key-0"]}}
        server.script = [batch([], [there]), self.owners(c123=""), batch([good(0, new=False)])]
        (result,) = writer(server.url).write([Record("key-0", person(0).fields, crm_id="900")])
        assert (result.state, result.code, result.crm_id) == ("rejected", "CONFLICT", "900")
        assert paths(server) == [UPSERT, READ, UPSERT]

    def test_one_whose_owner_was_in_the_same_call_is_looked_at_again(self, server):
        results = write(server, batch([good(0)], [self.there]), self.owners(c123="key-0"), size=2)
        assert (results[1].state, results[1].code) == ("retry", "CONFLICT")

    def test_one_that_is_gone_meanwhile_is_looked_at_again(self, server):
        results = write(server, batch([good(0)], [self.there]), batch([]), size=2)
        assert results[1].state == "retry"

    def test_is_known_by_either_of_the_words_that_hubspot_has_for_it(self, server):
        there = invalid("CONFLICTING_UNIQUE_VALUE", "email", "123 already has that value.")
        linked = batch([{"id": "123", "objectWriteTraceId": "key-0"}])
        (result,) = write(server, batch([], [there]), self.owners(c123=""), linked)
        assert (result.crm_id, result.code) == ("123", "linked")

    def test_a_whole_call_refused_for_the_one_in_it_is_linked_as_well(self, server):
        conflict = said({"status": "error", "category": "CONFLICT", "message": "Existing ID: 123"}, 409)
        linked = batch([{"id": "123", "objectWriteTraceId": "key-0"}])
        (result,) = write(server, conflict, self.owners(c123=""), linked)
        assert (result.state, result.crm_id) == ("written", "123")

    def test_refuse_leaves_it_to_a_human(self, server):
        results = write(server, batch([good(0)], [self.there]), size=2, options={"on_existing_email": "refuse"})
        assert (results[1].state, results[1].code, results[1].field) == ("rejected", "CONFLICT", "email")
        assert paths(server) == [UPSERT]

    @pytest.mark.parametrize("answer", [(429, {}, b"{}"), (503, {}, b""), None])
    def test_a_link_that_comes_to_nothing_takes_nothing_from_the_others(self, server, answer):
        results = write(server, batch([good(0)], [self.there]), answer, size=2)
        assert [(result.state, result.code) for result in results] == [("written", None), ("retry", "not_linked")]

    def test_with_nothing_else_in_the_call_it_is_the_calls_error(self, server):
        with pytest.raises(QuotaError):
            write(server, batch([], [self.there | {"context": {"objectWriteTraceId": ["key-0"]}}]), (429, {}, b"{}"))


class TestUsage:
    def test_the_days_quota_is_read_from_every_answer(self, server):
        headers = {"X-HubSpot-RateLimit-Daily": "250000", "X-HubSpot-RateLimit-Daily-Remaining": "249975"}
        status, _, body = batch([good()])
        server.script = [(status, headers, body), batch([good()])]
        opened = writer(server.url)
        assert opened.usage == Usage()
        opened.write(people(1))
        assert opened.usage == Usage(25, 250_000)
        opened.write(people(1))
        assert opened.usage == Usage(25, 250_000), "an answer that says nothing takes nothing back"


ANYTHING = st.one_of(st.booleans(), st.text(), st.none(), st.lists(st.text()))
NAMES = ["id", "new", "objectWriteTraceId", "properties", "context", "category", "message", "errors", "results"]
ENTRY = st.none() | st.integers() | st.text() | st.dictionaries(st.sampled_from(NAMES), ANYTHING)
TRACED = st.dictionaries(st.sampled_from(NAMES), ANYTHING).map(lambda entry: {**entry, "objectWriteTraceId": "key-1"})
BODY = st.dictionaries(st.sampled_from(NAMES), ANYTHING | st.lists(ENTRY | TRACED, max_size=4))


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODY, st.sampled_from([200, 207, 400, 403, 404, 409, 429, 477, 500]))
def test_whatever_hubspot_answers_each_record_has_a_result_or_the_call_an_error_of_ours(server, body, status):
    server.script = [said(body, status)]
    records = people(3)
    try:
        results = writer(server.url).write(records)
    except (TransientError, QuotaError, TerminalError, RecordError):
        return
    assert [result.key for result in results] == [record.key for record in records]
    assert {result.state for result in results} <= {"written", "retry", "rejected"}
