"""HubSpot's dialect of the sandbox keeps the rules that a client can break, in HubSpot's words."""

from __future__ import annotations

import json
import time

import pytest
import requests

from connectors.sandbox.server import Sandbox
from tests.support.crm import order, records
from tests.support.hubspot_crm import CONTACTS, READ, UPDATE, UPSERT, by_hand, make_contact


def entry(number=0, *, traced=True, **properties):
    known = {"email": f"ada{number}@example.org", "lastname": f"Brandt{number}"}
    traces = {"objectWriteTraceId": f"row-{number}"} if traced else {}
    return {"id": f"key-{number}", "idProperty": "afluente_id", "properties": {**known, **properties}, **traces}


def upsert(sandbox, *entries):
    return by_hand(sandbox, "POST", UPSERT, {"inputs": list(entries)})


class TestBatches:
    def test_contacts_are_made_then_found_by_one_key(self, hubspot):
        first, second = upsert(hubspot, entry()).json(), upsert(hubspot, entry(lastname="Else")).json()
        assert (first["status"], first["results"][0]["new"], second["results"][0]["new"]) == ("COMPLETE", True, False)
        assert first["results"][0]["id"] == second["results"][0]["id"]
        assert first["results"][0]["objectWriteTraceId"] == "row-0"
        (kept,) = records(hubspot)
        assert (kept["id"], kept["external_id"]) == (first["results"][0]["id"], "key-0")

    def test_with_trace_ids_a_bad_one_is_told_and_the_others_are_written(self, hubspot):
        answer = upsert(hubspot, entry(0), entry(1, email="nobody"), entry(2))
        assert answer.status_code == 207
        assert (answer.json()["numErrors"], len(records(hubspot))) == (1, 2)
        (error,) = answer.json()["errors"]
        assert error["context"] == {"objectWriteTraceId": ["row-1"]}
        (issue,) = json.loads(error["message"].partition(": ")[2])
        assert (issue["error"], issue["name"]) == ("INVALID_EMAIL", "email")

    @pytest.mark.parametrize("traces", [{}, {"objectWriteTraceId": "row-0"}], ids=["one untraced", "doubled"])
    def test_without_a_trace_id_on_each_a_bad_one_refuses_all(self, hubspot, traces):
        bad = {**entry(1, traced=False, email="nobody"), **traces}
        answer = upsert(hubspot, entry(0), bad)
        assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
        assert records(hubspot) == []

    def test_results_come_in_any_order(self, hubspot):
        answers = [upsert(hubspot, *map(entry, range(40))).json()["results"] for _ in range(2)]
        first, second = ([result["objectWriteTraceId"] for result in results] for results in answers)
        assert first != second
        assert sorted(first) == sorted(second)

    def test_emails_come_back_in_lower_case(self, hubspot):
        (result,) = upsert(hubspot, entry(email="Ada0@Example.ORG")).json()["results"]
        assert result["properties"]["email"] == "ada0@example.org"

    def test_an_email_is_one_contacts(self, hubspot):
        there = make_contact(hubspot, email="ada0@example.org")
        (error,) = upsert(hubspot, entry(email="ADA0@example.org")).json()["errors"]
        assert (error["category"], error["message"]) == ("CONFLICT", f"Contact already exists. Existing ID: {there}")
        alone = upsert(hubspot, entry(traced=False))
        assert (alone.status_code, alone.json()["category"]) == (409, "CONFLICT")
        again = by_hand(hubspot, "POST", CONTACTS, {"properties": {"email": "ada0@example.org"}})
        assert again.status_code == 409

    def test_an_email_that_was_given_up_may_be_another_contacts(self, hubspot):
        upsert(hubspot, entry(0))
        answer = upsert(hubspot, entry(0, email="new@example.org"), entry(1, email="ada0@example.org"))
        assert answer.status_code == 200

    def test_two_inputs_of_a_call_with_one_email_are_one_contact_and_a_conflict(self, hubspot):
        answer = upsert(hubspot, entry(0), entry(1, email="ada0@example.org"), entry(2))
        assert (len(answer.json()["results"]), answer.json()["errors"][0]["category"]) == (2, "CONFLICT")

    def test_an_id_twice_refuses_the_call_even_with_trace_ids(self, hubspot):
        answer = upsert(hubspot, entry(0), {**entry(1), "id": "key-0"})
        assert answer.status_code == 400
        assert answer.json()["message"] == "Duplicate IDs found in batch input: [key-0]. IDs must be unique"

    def test_a_hundred_inputs_are_the_most(self, hubspot):
        assert upsert(hubspot, *map(entry, range(101))).status_code == 400
        assert upsert(hubspot, *map(entry, range(100))).status_code == 200

    def test_ids_are_of_a_property_with_unique_values(self, hubspot):
        answer = upsert(hubspot, {**entry(), "idProperty": "lastname"})
        assert (answer.status_code, "non-unique" in answer.json()["message"]) == (400, True)
        by_email = {"id": "ada9@example.org", "idProperty": "email", "properties": {"firstname": "Ada"}}
        assert upsert(hubspot, by_email).json()["results"][0]["new"] is True

    @pytest.mark.parametrize(
        ("properties", "code"),
        [
            ({"shoe_size": "38"}, "PROPERTY_DOESNT_EXIST"),
            ({"createdate": "2026-03-02"}, "READ_ONLY_VALUE"),
            ({"afluente_employee_count": "about 20"}, "INVALID_INTEGER"),
            ({"afluente_rerouted_at": "soon"}, "INVALID_DATE"),
            ({"lifecyclestage": "Lead!"}, "INVALID_OPTION"),
        ],
    )
    def test_a_value_against_the_rules_is_refused_by_its_code(self, hubspot, properties, code):
        (error,) = upsert(hubspot, entry(**properties)).json()["errors"]
        assert f'"error":"{code}"' in error["message"]

    @pytest.mark.parametrize("value", [True, 20, None, ["a"]])
    def test_values_are_texts(self, hubspot, value):
        assert upsert(hubspot, entry(0), entry(1, city=value)).status_code == 400
        assert records(hubspot) == []

    def test_a_contact_needs_an_email_or_a_name(self, hubspot):
        bare = {"id": "key-0", "idProperty": "afluente_id", "properties": {"city": "Bonn"}}
        assert upsert(hubspot, bare).status_code == 400

    def test_an_empty_text_empties(self, hubspot):
        upsert(hubspot, entry(city="Bonn"))
        upsert(hubspot, entry(city=""))
        assert "city" not in records(hubspot)[0]["fields"]

    def test_an_update_finds_and_never_makes(self, hubspot):
        upsert(hubspot, entry(0))
        mark = {"idProperty": "afluente_id", "properties": {"afluente_merged_into": "key-9"}}
        inputs = [{**mark, "id": f"key-{number}", "objectWriteTraceId": f"row-{number}"} for number in (0, 1)]
        answer = by_hand(hubspot, "POST", UPDATE, {"inputs": inputs}).json()
        assert (len(answer["results"]), answer["errors"][0]["category"]) == (1, "OBJECT_NOT_FOUND")
        assert len(records(hubspot)) == 1

    def test_a_read_gives_who_is_there_and_names_who_is_not(self, hubspot):
        upsert(hubspot, entry(0))
        asked = {"idProperty": "email", "inputs": [{"id": "ADA0@example.org"}, {"id": "x@example.org"}]}
        answer = by_hand(hubspot, "POST", READ, {**asked, "properties": ["afluente_id"]})
        assert answer.status_code == 207
        assert answer.json()["results"][0]["properties"]["afluente_id"] == "key-0"
        assert answer.json()["errors"][0]["context"] == {"ids": ["x@example.org"]}

    @pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"inputs": 7}', b'{"inputs": [7]}', b'{"inputs": [{}]}'])
    def test_a_call_that_cannot_be_read_is_a_400(self, hubspot, body):
        headers = {"Authorization": "Bearer pat-sandbox"}
        answer = requests.post(hubspot.address + UPSERT, data=body, headers=headers, timeout=5)
        assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


class TestContacts:
    def test_a_contact_gets_our_key_later_and_keeps_its_id(self, hubspot):
        made = make_contact(hubspot, email="ada@example.org")
        changed = by_hand(hubspot, "PATCH", f"{CONTACTS}/{made}", {"properties": {"afluente_id": "key-7"}})
        assert (changed.status_code, changed.json()["id"]) == (200, made)
        assert [(kept["id"], kept["external_id"]) for kept in records(hubspot)] == [(made, "key-7")]
        assert upsert(hubspot, entry(7)).json()["results"][0]["id"] == made

    def test_dated_paths_are_the_same_contacts(self, hubspot):
        made = make_contact(hubspot, email="ada@example.org")
        path = "/crm/objects/2026-03/contacts/ada%40example.org?idProperty=email&properties=email"
        assert by_hand(hubspot, "GET", path).json()["id"] == made
        assert by_hand(hubspot, "GET", f"{CONTACTS}/1").status_code == 404

    def test_an_erased_contact_is_gone_and_its_email_free(self, hubspot):
        make_contact(hubspot, email="ada@example.org")
        wanted = {"objectId": "ada@example.org", "idProperty": "email"}
        assert by_hand(hubspot, "POST", f"{CONTACTS}/gdpr-delete", wanted).status_code == 204
        assert records(hubspot) == []
        make_contact(hubspot, email="ada@example.org")

    def test_an_archived_contact_is_not_found(self, hubspot):
        made = make_contact(hubspot, email="ada@example.org")
        assert by_hand(hubspot, "DELETE", f"{CONTACTS}/{made}").status_code == 204
        assert by_hand(hubspot, "GET", f"{CONTACTS}/{made}").status_code == 404

    def search(self, hubspot, **more):
        wanted = {"filters": [{"propertyName": "lastname", "operator": "EQ", "value": "Brandt"}]}
        return by_hand(hubspot, "POST", f"{CONTACTS}/search", {"filterGroups": [wanted], **more}).json()

    def test_a_search_goes_page_by_page(self, hubspot):
        made = {make_contact(hubspot, email=f"ada{number}@example.org", lastname="Brandt") for number in range(3)}
        make_contact(hubspot, email="eva@example.org", lastname="Sample")
        first = self.search(hubspot, limit=2)
        second = self.search(hubspot, limit=2, after=first["paging"]["next"]["after"])
        assert (first["total"], "paging" in second) == (3, False)
        assert {found["id"] for page in (first, second) for found in page["results"]} == made

    def test_all_contacts_are_listed_page_by_page_and_archived_in_batches(self, hubspot):
        made = {make_contact(hubspot, email=f"ada{number}@example.org") for number in range(3)}
        first = by_hand(hubspot, "GET", f"{CONTACTS}?limit=2").json()
        second = by_hand(hubspot, "GET", f"{CONTACTS}?limit=2&after={first['paging']['next']['after']}").json()
        assert {found["id"] for page in (first, second) for found in page["results"]} == made
        gone = {"inputs": [{"id": name} for name in made]}
        assert by_hand(hubspot, "POST", f"{CONTACTS}/batch/archive", gone).status_code == 204
        assert records(hubspot) == []

    def test_a_search_may_lag_behind(self, hubspot):
        hubspot.dialect.search_lag_seconds = 0.3
        make_contact(hubspot, email="ada@example.org", lastname="Brandt")
        assert self.search(hubspot)["total"] == 0
        time.sleep(0.35)
        assert self.search(hubspot)["total"] == 1

    def test_properties_are_listed_and_made(self, hubspot):
        path = "/crm/v3/properties/contacts"
        wanted = {"name": "customer_number", "label": "Number", "type": "string", "fieldType": "text"}
        assert by_hand(hubspot, "POST", path, wanted).status_code == 400
        wanted |= {"groupName": "contactinformation", "hasUniqueValue": True}
        assert by_hand(hubspot, "POST", path, wanted).status_code == 201
        assert by_hand(hubspot, "POST", path, wanted).status_code == 409
        known = {known["name"]: known for known in by_hand(hubspot, "GET", path).json()["results"]}
        assert known["customer_number"]["hasUniqueValue"] is known["afluente_id"]["hasUniqueValue"] is True
        by_number = {"id": "7", "idProperty": "customer_number", "properties": {"lastname": "Brandt"}}
        assert upsert(hubspot, by_number).status_code == 200

    def test_what_it_holds_survives_its_end_and_a_reset_forgets_it(self, tmp_path):
        for is_new in (True, False):
            with Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect="hubspot") as running:
                assert upsert(running, entry()).json()["results"][0]["new"] is is_new
                if not is_new:
                    requests.post(f"{running.address}/_reset", timeout=5)
                assert len(records(running)) == is_new
                assert upsert(running, entry(1, email="ada0@example.org")).status_code == (207 if is_new else 200)


class TestAccess:
    def tokens(self, hubspot, **form):
        known = {"grant_type": "refresh_token", "client_id": "sandbox", "client_secret": "sandbox"}
        return requests.post(
            f"{hubspot.address}/oauth/v1/token", data={**known, "refresh_token": "sandbox", **form}, timeout=5
        )

    def ask(self, hubspot, token):
        return requests.get(f"{hubspot.address}{CONTACTS}/1", headers={"Authorization": f"Bearer {token}"}, timeout=5)

    def test_a_refresh_token_gives_tokens_for_half_an_hour(self, hubspot):
        answer = self.tokens(hubspot).json()
        assert (answer["expires_in"], answer["token_type"], answer["refresh_token"]) == (1800, "bearer", "sandbox")
        assert self.ask(hubspot, answer["access_token"]).status_code == 404

    @pytest.mark.parametrize(
        ("form", "status"),
        [
            ({"refresh_token": "x"}, "BAD_REFRESH_TOKEN"),
            ({"client_id": "x"}, "BAD_CLIENT_ID"),
            ({"client_secret": "x"}, "BAD_CLIENT_SECRET"),
            ({"grant_type": "password"}, "BAD_GRANT_TYPE"),
        ],
    )
    def test_wrong_credentials_get_none(self, hubspot, form, status):
        answer = self.tokens(hubspot, **form)
        assert (answer.status_code, answer.json()["status"]) == (400, status)

    def test_a_token_that_expired_is_told_apart_from_one_that_never_was(self, hubspot):
        order(hubspot, token_seconds=0.1, on="/oauth")
        token = self.tokens(hubspot).json()["access_token"]
        time.sleep(0.15)
        answer = self.ask(hubspot, token)
        assert (answer.status_code, answer.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
        assert self.ask(hubspot, "guessed").json()["category"] == "INVALID_AUTHENTICATION"

    def test_calls_in_ten_seconds_are_counted_and_told(self, hubspot):
        hubspot.dialect.limits.calls_in_window = 3
        answers = [by_hand(hubspot, "GET", f"{CONTACTS}/1") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
        assert [answer.headers["X-HubSpot-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert answers[3].headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
        assert answers[3].json()["policyName"] == "TEN_SECONDLY_ROLLING"

    def test_the_day_has_its_own_limit(self, hubspot):
        order(hubspot, daily_limit=1)
        answers = [by_hand(hubspot, "GET", f"{CONTACTS}/1") for _ in range(2)]
        assert answers[0].headers["X-HubSpot-RateLimit-Daily-Remaining"] == "0"
        assert (answers[1].status_code, answers[1].json()["policyName"]) == (429, "DAILY")

    def test_searches_have_a_limit_of_their_own_and_tell_nothing(self, hubspot):
        answers = [by_hand(hubspot, "POST", f"{CONTACTS}/search", {}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert not [name for answer in answers for name in answer.headers if "RateLimit" in name]

    def test_faults_strike_contacts_and_not_tokens_if_not_told_otherwise(self, hubspot):
        order(hubspot, status=503)
        assert by_hand(hubspot, "GET", f"{CONTACTS}/1").status_code == 503
        assert self.tokens(hubspot).status_code == 200
