"""The sandbox as Dataverse: the rules of its Web API that a client can break, in its own words."""

from __future__ import annotations

import json

import pytest

from connectors.kit.multipart import Part, boundary_of, read_message, read_parts, write_message, write_parts
from connectors.sandbox.server import Sandbox
from tests.support.dataverse import API, call, order, records, token, totals

LONG = {"lastname": "x" * 51}
KEY = "leads(new_afluenteid='K1')"
ABSENT = "leads(11111111-1111-1111-1111-111111111111)"
FULL = {"Prefer": "return=representation"}


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def request(method, path, fields=None, *, place=None, **headers):
    """A part."""
    body = b"" if fields is None else json.dumps(fields).encode()
    outer = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary"}
    if place is not None:
        outer["Content-ID"] = str(place)
    return Part(
        outer, write_message(f"{method} {path} HTTP/1.1", {"Content-Type": "application/json", **headers}, body)
    )


def change_set(*parts):
    return Part({"Content-Type": 'multipart/mixed; boundary="c"'}, write_parts(parts, "c"))


def run(sandbox, *parts, goes_on=False):
    """(status, [(status, code) of each part or [of each in a change set]])."""
    headers = {"Content-Type": 'multipart/mixed; boundary="b"'} | (
        {"Prefer": "odata.continue-on-error"} if goes_on else {}
    )
    answer = call(sandbox, "POST", "$batch", data=write_parts(parts, "b"), headers=headers)
    return answer.status_code, read_answers(answer.headers["Content-Type"], answer.content)


def read_answers(content_type, body):
    found = []
    for part in read_parts(body, boundary_of(content_type), most=1_000):
        inner = part.headers["content-type"]
        if boundary_of(inner):
            found.append(read_answers(inner, part.body))
            continue
        message = read_message(part.body)
        error = json.loads(message.body).get("error", {}) if message.body else {}
        found.append((message.status, error.get("code")))
    return found


def keys(sandbox):
    return [record["external_id"] for record in records(sandbox)]


class TestTokens:
    @pytest.mark.parametrize(
        ("form", "status", "error"),
        [
            ({}, 200, None),
            ({"grant_type": "password"}, 400, "unsupported_grant_type"),
            ({"client_id": "x"}, 400, "unauthorized_client"),
            ({"client_secret": "x"}, 401, "invalid_client"),
            ({"scope": "https://acme.crm4.dynamics.com/.default"}, 400, "invalid_scope"),
        ],
    )
    def test_they_are_given_for_client_credentials_and_the_scope_of_the_environment(
        self, dataverse, form, status, error
    ):
        answer = token(dataverse, **form)
        assert (answer.status_code, answer.json().get("error")) == (status, error)
        assert error or answer.json()["expires_in"] == 3599

    def test_without_one_nothing_is_read(self, dataverse):
        assert call(dataverse, "GET", "leads", headers={"Authorization": "Bearer x"}).status_code == 401


class TestOneRecord:
    def test_an_upsert_by_key_answers_204_with_the_record_s_address_or_201_and_200_with_the_record(self, dataverse):
        answer = call(dataverse, "PATCH", KEY, json={"lastname": "Brandt"})
        assert (answer.status_code, answer.content) == (204, b"")
        address = answer.headers["OData-EntityId"]
        assert address.startswith(f"{dataverse.address}{API}/leads(")
        again = call(dataverse, "PATCH", f"{KEY}?$select=leadid", json={"jobtitle": "Buyer"}, headers=FULL)
        assert (again.status_code, again.json()["leadid"] in address) == (200, True)
        made = call(dataverse, "PATCH", "leads(new_afluenteid='K2')", json={}, headers=FULL)
        assert (made.status_code, made.json()["new_afluenteid"]) == (201, "K2")
        assert made.headers["x-ms-ratelimit-burst-remaining-xrm-requests"].isdigit()

    def test_an_upsert_by_a_chosen_id_makes_the_record_with_that_id(self, dataverse):
        assert call(dataverse, "PATCH", ABSENT, json={"lastname": "Brandt"}, headers=FULL).status_code == 201
        assert call(dataverse, "PATCH", ABSENT, json={"lastname": "Brandt"}, headers=FULL).status_code == 200
        assert call(dataverse, "GET", ABSENT).json()["leadid"] in ABSENT

    @pytest.mark.parametrize(("path", "error"), [(KEY, "0x80060891"), (ABSENT, "0x80040217")])
    def test_if_match_forbids_to_make_a_record(self, dataverse, path, error):
        assert code(call(dataverse, "PATCH", path, json={}, headers={"If-Match": "*"})) == (404, error)
        assert code(call(dataverse, "DELETE", path)) == (404, error)
        assert code(call(dataverse, "GET", path)) == (404, error)
        assert records(dataverse) == []

    def test_if_none_match_forbids_to_change_one_and_an_etag_to_change_another_version(self, dataverse):
        call(dataverse, "PATCH", KEY, json={"lastname": "Brandt"})
        assert code(call(dataverse, "PATCH", KEY, json={}, headers={"If-None-Match": "*"})) == (412, "0x80040237")
        etag = call(dataverse, "GET", KEY).headers["ETag"]
        assert call(dataverse, "PATCH", KEY, json={"jobtitle": "a"}, headers={"If-Match": etag}).status_code == 204
        assert code(call(dataverse, "PATCH", KEY, json={}, headers={"If-Match": etag})) == (412, "0x80060882")

    def test_a_key_that_is_taken_is_not_taken_again(self, dataverse):
        fields = {"new_afluenteid": "K1", "lastname": "Brandt"}
        assert call(dataverse, "POST", "leads", json=fields).status_code == 204
        assert code(call(dataverse, "POST", "leads", json=fields)) == (412, "0x80060892")
        assert call(dataverse, "POST", "leads", json={"lastname": "Other"}, headers=FULL).status_code == 201
        assert len(records(dataverse)) == 2

    @pytest.mark.parametrize(
        ("path", "status", "error"),
        [
            ("leads(emailaddress1='x')", 400, "0x80060888"),
            ("leads(new_afluenteid='a%2Fb')", 400, "0x80060888"),
            ("leads(new_afluenteid='a'b')", 400, "0x80060888"),
            ("leadz(new_afluenteid='a')", 404, "0x8006088a"),
            (f"{KEY}?$select=nosuch", 400, "0x80060888"),
        ],
    )
    def test_an_address_that_cannot_be_understood_writes_nothing(self, dataverse, path, status, error):
        assert code(call(dataverse, "PATCH", path, json={}, headers=FULL)) == (status, error)
        assert records(dataverse) == []

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"nosuch": 1}, "0x80048d19"), ({"lastname": 7}, "0x80048d19"), (LONG, "0x80044331"),
            ({"numberofemployees": "7"}, "0x80048d19"), ({"numberofemployees": -1}, "0x8004432f"),
            ({"leadsourcecode": 11}, "0x8004431a"), ({"donotemail": "yes"}, "0x80048d19"),
            ({"ownerid@odata.bind": 7}, "0x80048d19"), ({"new_afluenteid": "K2"}, "0x80040203"), ([], "0x80048d19"),
        ],
    )  # fmt: skip
    def test_columns_have_names_types_lengths_and_ranges(self, dataverse, fields, error):
        assert code(call(dataverse, "PATCH", KEY, json=fields)) == (400, error)
        assert records(dataverse) == []

    def test_null_empties_a_column_and_no_column_is_asked_for(self, dataverse):
        call(dataverse, "PATCH", KEY, json={"jobtitle": "Buyer", "ownerid@odata.bind": f"/teams({ABSENT[6:-1]})"})
        call(dataverse, "PATCH", KEY, json={"jobtitle": None})
        assert list(records(dataverse)[0]["fields"]) == ["ownerid@odata.bind"]


class TestLists:
    def test_a_list_is_read_in_pages_by_a_filter_and_columns(self, dataverse):
        for number in range(5):
            call(dataverse, "PATCH", f"leads(new_afluenteid='K{number}')", json={"lastname": "AB"[number % 2]})
        page = call(
            dataverse, "GET", "leads?$select=lastname&$count=true", headers={"Prefer": "odata.maxpagesize=3"}
        ).json()
        assert (len(page["value"]), page["@odata.count"]) == (3, 5)
        rest = page["@odata.nextLink"].partition(f"{API}/")[2]
        assert len(call(dataverse, "GET", rest, headers={"Prefer": "odata.maxpagesize=3"}).json()["value"]) == 2
        found = call(dataverse, "GET", "leads?$filter=lastname eq 'A'&$top=2&$select=new_afluenteid").json()
        assert [row["new_afluenteid"] for row in found["value"]] == ["K0", "K2"]
        assert "@odata.nextLink" not in found

    @pytest.mark.parametrize(
        "query", ["$select=nosuch", "$filter=nosuch eq 1", "$filter=lastname gt 1", "$orderby=x", "$top=x"]
    )
    def test_a_query_that_is_not_understood_is_refused(self, dataverse, query):
        call(dataverse, "PATCH", KEY, json={"lastname": "A"})
        assert code(call(dataverse, "GET", f"leads?{query}")) == (400, "0x80060888")

    def test_who_asks_and_what_tables_are_called_is_told(self, dataverse):
        assert "UserId" in call(dataverse, "GET", "WhoAmI").json()
        tables = call(dataverse, "GET", "EntityDefinitions?$filter=LogicalName eq 'lead'").json()["value"]
        assert [table["EntitySetName"] for table in tables] == ["leads"]


class TestManyAtOnce:
    def test_upsert_multiple_writes_all_or_none_and_says_not_whose_fault_it_was(self, dataverse):
        def target(key, **fields):
            return {
                "@odata.type": "Microsoft.Dynamics.CRM.lead",
                "@odata.id": f"leads(new_afluenteid='{key}')",
                **fields,
            }

        path = "leads/Microsoft.Dynamics.CRM.UpsertMultiple"
        wrong = call(dataverse, "POST", path, json={"Targets": [target("a", lastname="A"), target("b", **LONG)]})
        assert code(wrong) == (400, "0x80044331")
        assert keys(dataverse) == []
        good = call(dataverse, "POST", path, json={"Targets": [target("a", lastname="A"), target("b", lastname="B")]})
        assert (good.status_code, keys(dataverse)) == (204, ["a", "b"])

    def test_create_multiple_gives_the_ids_in_order(self, dataverse):
        targets = [{"@odata.type": "Microsoft.Dynamics.CRM.lead", "lastname": name} for name in "AB"]
        answer = call(dataverse, "POST", "leads/Microsoft.Dynamics.CRM.CreateMultiple", json={"Targets": targets})
        names = [call(dataverse, "GET", f"leads({known})").json()["lastname"] for known in answer.json()["Ids"]]
        assert names == ["A", "B"]


class TestBatches:
    PARTS = (
        request("PATCH", f"{API}/leads(new_afluenteid='a')", {"lastname": "A"}),
        request("PATCH", "leads(new_afluenteid='b')", LONG),
        request("PATCH", "leads(new_afluenteid='c')", {"lastname": "C"}),
    )

    def test_one_stops_at_the_first_failure(self, dataverse):
        assert run(dataverse, *self.PARTS) == (400, [(204, None), (400, "0x80044331")])
        assert keys(dataverse) == ["a"]

    def test_one_that_is_to_go_on_answers_each_request(self, dataverse):
        assert run(dataverse, *self.PARTS, goes_on=True) == (200, [(204, None), (400, "0x80044331"), (204, None)])
        assert keys(dataverse) == ["a", "c"]

    def test_a_change_set_is_written_as_a_whole(self, dataverse):
        parts = [request("POST", "leads", {"lastname": name, "new_afluenteid": name}, place=name) for name in "AB"]
        assert run(dataverse, change_set(*parts)) == (200, [[(204, None), (204, None)]])
        assert keys(dataverse) == ["A", "B"]

    def test_a_change_set_with_a_failure_writes_nothing_and_its_neighbors_are_written(self, dataverse):
        parts = [request("PATCH", "leads(new_afluenteid='x')", fields, place=1) for fields in ({"lastname": "X"}, LONG)]
        answer = run(dataverse, self.PARTS[0], change_set(*parts), self.PARTS[2], goes_on=True)
        assert answer == (200, [(204, None), [(400, "0x80044331")], (204, None)])
        assert keys(dataverse) == ["a", "c"]

    def test_a_change_set_sees_what_it_did_itself(self, dataverse):
        call(dataverse, "PATCH", KEY, json={"lastname": "Brandt"})
        parts = [
            request("DELETE", KEY, place=1),
            request("PATCH", KEY, {"lastname": "New"}, place=2, **{"If-Match": "*"}),
        ]
        assert run(dataverse, change_set(*parts)) == (400, [[(404, "0x80060891")]])
        assert keys(dataverse) == ["K1"]

    @pytest.mark.parametrize(
        "part",
        [
            change_set(request("GET", "leads", place=1)),
            change_set(request("PATCH", KEY, {})),
            Part({"Content-Type": "text/plain"}, b"x"),
            Part({"Content-Type": "application/http"}, b"no request"),
            request("PATCH", KEY, {}, **{"Content-Length": "7"}),
        ],
        ids=["get in a change set", "no content id", "no http", "no request line", "wrong length"],
    )
    def test_one_that_cannot_be_understood_is_refused_as_a_whole(self, dataverse, part):
        headers = {"Content-Type": "multipart/mixed; boundary=b"}
        answer = call(dataverse, "POST", "$batch", data=write_parts([self.PARTS[0], part], "b"), headers=headers)
        assert code(answer) == (400, "0x80060888")
        assert records(dataverse) == []

    def test_more_than_a_thousand_requests_are_too_many(self, dataverse):
        headers = {"Content-Type": "multipart/mixed; boundary=b"}
        body = write_parts([request("GET", "WhoAmI")] * 1_001, "b")
        answer = call(dataverse, "POST", "$batch", data=body, headers=headers)
        assert (answer.status_code, "too many parts" in answer.text) == (400, True)

    def test_calls_are_counted_with_what_each_record_became(self, dataverse):
        run(dataverse, *self.PARTS, goes_on=True)
        run(dataverse, self.PARTS[0])
        assert totals(dataverse) == {"written": 3, "created": 2, "changed": 0, "unchanged": 1, "rejected": 1}


def test_the_limits_answer_429_with_a_code_each_and_a_wait_that_grows(dataverse):
    known = token(dataverse).json()["access_token"]
    order(dataverse, limit_per_second=0.001, burst=1)
    headers = {"Authorization": f"Bearer {known}"}
    assert call(dataverse, "GET", "WhoAmI", headers=headers).status_code == 200
    answers = [call(dataverse, "GET", "WhoAmI", headers=headers) for _ in range(3)]
    assert [(answer.headers["Retry-After"], *code(answer)) for answer in answers] == [
        ("1", 429, "0x80072322"), ("2", 429, "0x80072321"), ("3", 429, "0x80072326"),
    ]  # fmt: skip


def test_records_survive_a_restart(tmp_path):
    for expected in (201, 200):
        with Sandbox(port=0, state=tmp_path / "crm.sqlite", dialect="dataverse") as running:
            assert call(running, "PATCH", KEY, json={"lastname": "A"}, headers=FULL).status_code == expected
