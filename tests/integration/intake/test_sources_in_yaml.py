"""Sources that afluente.yaml describes by itself: polled over real sockets, posted to a real receiver, mapped."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pipeline.health.doctor import run_checks
from pipeline.intake.polls import due_polls, run_poll
from pipeline.store.engine import transaction
from tests.support.command_line import answer, problem, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.intake_server import running_receiver, stored_events
from tests.support.paged_api import PagedApi, serving_api
from tests.support.services import forget_caches
from tests.support.store_rows import states

pytestmark = pytest.mark.usefixtures("database", "redis_url")

MAPPING = "version: 1\nlead: {email: mail, full_name: who}\nignored: [id, updated_at]\n"
QUERY = "query($after: String, $since: String) { leads(after: $after, since: $since) { edges { node { id } } } }"


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path, monkeypatch)


@pytest.fixture
def write(company):
    """Writes afluente.yaml and mappings, as a restart would find them."""

    def write(sources: dict[str, object], **mappings: str) -> None:
        text = json.dumps({"sources": sources, "destinations": {"crm": {"kind": "salesforce", "base_url": "http://h"}}})
        (company.folder / "afluente.yaml").write_text(text)
        for name, mapping in mappings.items():
            path = company.folder / "mappings" / "sources" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"source: {name}\n{mapping}")
        forget_caches()

    return write


def lead(number: int, prefix: str = "a") -> dict[str, str]:
    at = f"2026-03-01T10:00:{number:02d}Z"
    return {"id": f"{prefix}-{number}", "updated_at": at, "mail": f"{prefix}{number}@example.org", "who": "Noor Haddad"}


REST = {"records_at": "leads", "event_id": "id", "pages": {"by": "next_link", "at": "links.next"}}
REST |= {"cursor": {"param": "since", "field": "updated_at"}}


def test_two_apis_are_polled_side_by_side_each_with_its_own_token_and_mapping(write, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "token-of-acme")
    with (
        serving_api(
            PagedApi([lead(number) for number in range(7)], "next link", most=3, token="token-of-acme")
        ) as acme,
        serving_api(PagedApi([lead(1, "b")], "offset", token="t-2")) as beta,
    ):
        monkeypatch.setenv("SECRET_OF_BETA", "t-2")
        offset = {**REST, "pages": {"by": "offset", "size": 50}, "params": {"status": "new"}}
        write(
            {
                "acme": {"connector": "rest_poll", "url": acme.url, "options": REST},
                "beta": {"connector": "rest_poll", "url": beta.url, "token": "env:SECRET_OF_BETA", "options": offset},
            },
            acme=MAPPING,
            beta=MAPPING,
        )
        assert due_polls() == [("acme", "default"), ("beta", "default")]
        reports = [run_poll(*due) for due in due_polls()]
        assert [(report.accepted, report.error) for report in reports] == [(7, None), (1, None)]
        assert beta.asked[0].query == {"status": "new", "offset": "0", "limit": "50"}
        assert {row["source"] for row in answer("source", "status")} >= {"acme", "beta", "json_feed"}
    work()
    assert states() == {"settled": 8}


@pytest.mark.long
def test_an_api_of_graphql_is_polled_from_a_query_in_yaml(write):
    options = {"query": QUERY, "variables": {"since": "{since}"}, "records_at": "data.leads.edges[*].node"}
    options |= {"page_info_at": "data.leads.pageInfo", "cursor": {"param": "since", "field": "updated_at"}}
    with serving_api(PagedApi([lead(number) for number in range(7)], "graphql", most=3)) as api:
        write({"shop": {"connector": "graphql_poll", "url": api.url, "options": options}}, shop=MAPPING)
        assert run_poll("shop", "default").accepted == 7
        assert [asked.body["variables"] for asked in api.asked] == [{}, {"after": "3"}, {"after": "6"}]
        assert {asked.body["query"] for asked in api.asked} == {QUERY}
        denied = {"data": None, "errors": [{"message": "x", "extensions": {"code": "THROTTLED"}}]}
        api.answers = [(200, {}, json.dumps(denied).encode())] * 4
        report = run_poll("shop", "default", at_once=True)
        assert ("too many requests" in report.error, report.is_terminal) == (True, False)


def test_two_sources_may_share_a_mapping_and_any_source_may_have_another(write):
    with serving_api(PagedApi([lead(1)])) as api:
        shared = {"connector": "rest_poll", "url": api.url, "mapping": "acme", "options": REST}
        feed = {"url": api.url, "mapping": "acme"}
        write({"north": shared, "south": shared, "json_feed": feed}, acme=MAPPING)
        for name in ("north", "south", "json_feed"):
            assert run_poll(name, "default").accepted == 1
    work()
    assert states() == {"settled": 3}


@pytest.fixture
def hook(write, monkeypatch):
    monkeypatch.setenv("ZAPS_SECRET", "s3cret-of-zaps")
    write({"zaps": {"connector": "rest_hook", "mapping": "rest_hook", "options": {}}})
    with running_receiver() as receiver:
        yield receiver


BEARER = {"Authorization": "Bearer s3cret-of-zaps"}


def test_a_hook_takes_json_and_forms_flat_and_nested_by_either_way_of_showing_its_secret(hook):
    flat = {"external_id": "z-1", "name": "Noor Haddad", "email": "noor@example.org"}
    nested = {"external_id": "z-2", "data": {"lead": {"name": "Tom Nowak", "email": "tom@example.org"}}}
    form = {"external_id": "z-3", "email": "ines@example.org"}
    assert hook.post("/in/default/zaps", json=flat, headers=BEARER).status_code == 200
    assert hook.post("/in/default/zaps", json=nested, headers=BEARER).status_code == 200
    assert hook.post("/in/default/zaps?secret=s3cret-of-zaps", data=form).status_code == 200
    assert hook.post("/in/default/zaps", json=flat).status_code == 401
    assert hook.post("/in/default/zaps", json=flat, headers={"Authorization": "Bearer other"}).status_code == 401
    work()
    assert states() == {"settled": 3}


def test_a_hook_that_runs_again_brings_nothing_twice_with_an_id_or_without(hook):
    for body in ({"external_id": "z-1", "email": "noor@example.org"}, {"email": "tom@example.org", "name": "Tom"}):
        for _ in range(2):
            assert hook.post("/in/default/zaps", json=body, headers=BEARER).status_code == 200
    assert len(stored_events("zaps")) == 2


def test_a_large_body_of_a_hook_is_read_like_any_other(hook):
    many = [
        {"external_id": f"z-{number}", "email": f"z{number}@example.org", "note": "x" * 500} for number in range(400)
    ]
    assert hook.post("/in/default/zaps", json=many, headers=BEARER).status_code == 200
    assert len(stored_events("zaps")) == 400


def test_a_hook_reads_what_its_options_say(write, monkeypatch):
    monkeypatch.setenv("MAKE_SECRET", "s3cret")
    options = {"records_at": "items", "event_id": "key", "occurred_at": "on", "idempotency_header": "X-Run-Id"}
    write({"make": {"connector": "rest_hook", "options": options}}, make="version: 1\nlead: {email: mail}\n")
    with running_receiver() as receiver:
        items = [{"key": "1", "mail": "a@example.org", "on": "2026-03-01T00:00:00Z"}, {"mail": "b@example.org"}]
        headers = {"Authorization": "Bearer s3cret", "X-Run-Id": "run-7"}
        for _ in range(2):
            assert receiver.post("/in/default/make", json={"items": items}, headers=headers).status_code == 200
    events = stored_events("make")
    assert len(events) == 2
    assert {event.occurred_at is None for event in events} == {True, False}


WRONG = [
    ({"pages": {"by": "pages"}}, "sources.acme.options.pages.by: 'pages' is not known"),
    ({"pages": {"param": "page"}}, "sources.acme.options.pages: by is missing; allowed: page, offset, token"),
    ({"pages": {"by": "offset", "size": 0}}, "sources.acme.options.pages.size: 0 is too small"),
    ({"pages": {"by": "token", "param": "p"}}, "sources.acme.options.pages: at is missing"),
    ({"cursor": {"param": "since"}}, "sources.acme.options.cursor: needs `field`"),
    ({"cursor": {"param": "since", "feild": "x"}}, "did you mean field?"),
    ({"recordsat": "x"}, "sources.acme.options.recordsat: 'recordsat' is not known (did you mean records_at?)"),
    ({"method": "PUT"}, "sources.acme.options.method: 'PUT' is not known; allowed: GET, POST"),
    ({"body": {"a": 1}}, "sources.acme.options.body: is not sent with GET; set method to POST"),
    ({"headers": {"Authorization": "Bearer abc123"}}, "sources.acme.options.headers.Authorization: is a secret"),
    ({"params": {"api_key": "abc123"}}, "sources.acme.options.params.api_key: is a secret"),
    ({"params": {"q": "{sinse}"}}, "{sinse} is not sent by this poll; allowed: {since}"),
    ({"event_id": "a[b"}, "sources.acme.options.event_id: "),
    ({"records_at": "a[*].b[*]"}, "sources.acme.options.records_at: may go through one list"),
    ({"revisions": "none"}, "sources.acme.options.revisions: 'none' is not known; allowed: "),
    ({"pages": None, "cursor": None}, "needs pages or a cursor"),
    ({"occurred_at": 7}, "sources.acme.options.occurred_at: 7 is not a text"),
]


@pytest.mark.long
@pytest.mark.parametrize(("said", "told"), WRONG, ids=[told[:60] for _, told in WRONG])
def test_a_wrong_option_is_told_with_its_place_and_what_is_allowed_and_stops_no_other_source(write, said, told):
    with serving_api(PagedApi([lead(1)])) as api:
        good = {"connector": "rest_poll", "url": api.url, "mapping": "rest_poll", "options": REST}
        write({"acme": {**good, "options": {**REST, **said}}, "fine": good})
        assert due_polls() == [("fine", "default")]
        (row,) = answer("source", "status", "acme")
        assert told in row["why_not"]
        assert "abc123" not in row["why_not"]
        (check,) = [check for check in run_checks() if check.name == "source acme"]
        assert told in check.detail
        assert told in problem("source", "poll", "acme", code=2)
        assert run_poll("fine", "default").accepted == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"query": "leads"}, "sources.shop.options.query: is no query of GraphQL"),
        ({"variables": {"sinse": 1}}, "sources.shop.options.variables.sinse: the query has no $sinse"),
        ({"records_at": None}, "sources.shop.options.records_at: nothing is not a text"),
    ],
)
def test_a_wrong_query_is_told(write, said, told):
    options = {"query": QUERY, "records_at": "data.leads.nodes", "page_info_at": "data.leads.pageInfo", **said}
    write({"shop": {"connector": "graphql_poll", "url": "http://127.0.0.1:9", "options": options}})
    assert told in answer("source", "status", "shop")[0]["why_not"]


def test_a_hook_with_wrong_options_is_told_to_come_again_and_the_others_go_on(write, monkeypatch):
    monkeypatch.setenv("GOOD_SECRET", "s3cret")
    good = {"connector": "rest_hook", "mapping": "rest_hook"}
    write({"bad": {**good, "options": {"records": "x"}}, "good": good})
    with running_receiver() as receiver:
        headers = {"Authorization": "Bearer s3cret"}
        assert receiver.post("/in/default/bad", json={"email": "a@example.org"}, headers=headers).status_code == 503
        assert receiver.post("/in/default/good", json={"email": "a@example.org"}, headers=headers).status_code == 200


def test_a_source_without_its_mapping_says_which_file_is_missing_and_loses_nothing(write):
    with serving_api(PagedApi([lead(1)])) as api:
        write({"acme": {"connector": "rest_poll", "url": api.url, "options": REST}})
        (check,) = [check for check in run_checks() if check.name == "source acme"]
        assert check.detail == "it has no mapping: mappings/sources/acme.yaml does not exist"
        assert check.remedy.startswith("say `mapping: rest_poll` at sources.acme (")
        assert check.remedy.endswith("or write mappings/sources/acme.yaml")
        run_poll("acme", "default")
        work()
        assert states() == {"quarantined": 1}


def test_a_mapping_of_a_source_in_yaml_is_checked_like_any_other(write):
    write({"acme": {"connector": "rest_poll", "url": "http://127.0.0.1:9", "options": REST}}, acme=MAPPING)
    assert run("mapping", "check").returncode == 0
    wrong = {"connector": "rest_poll", "url": "http://127.0.0.1:9", "options": REST}
    write({"wrong": wrong}, wrong="version: 1\nlead: {mail: x}\n")
    checked = run("mapping", "check")
    assert (checked.returncode, "mappings/sources/wrong.yaml" in checked.stdout) == (1, True)


SHOWN = [
    ({"by": "bearer"}, {"ACME_TOKEN": "k-1"}, lambda asked: asked.headers["Authorization"], "Bearer k-1"),
    ({"by": "header", "name": "X-Api-Key"}, {"ACME_KEY": "k-1"}, lambda asked: asked.headers["X-Api-Key"], "k-1"),
    (
        {"by": "header", "name": "Authorization", "prefix": "Token "},
        {"ACME_KEY": "k-1"},
        lambda asked: asked.headers["Authorization"],
        "Token k-1",
    ),
    ({"by": "query", "name": "Key-Of-Ours"}, {"ACME_KEY": "k-1"}, lambda asked: asked.query["Key-Of-Ours"], "k-1"),
    (
        {"by": "basic"},
        {"ACME_USER": "ada", "ACME_PASSWORD": "p-1"},
        lambda asked: asked.headers["Authorization"],
        "Basic YWRhOnAtMQ==",
    ),
    (
        {"by": "basic", "key_as_user": True},
        {"ACME_KEY": "k-1"},
        lambda asked: asked.headers["Authorization"],
        "Basic ay0xOg==",
    ),
]


@pytest.mark.short(3)
@pytest.mark.parametrize(("auth", "secrets", "shown", "wanted"), SHOWN)
def test_an_api_is_shown_each_usual_proof_on_every_page_and_no_row_holds_it(
    write, monkeypatch, auth, secrets, shown, wanted
):
    """The addresses of next pages that this API names hold whatever it was asked with, the key too."""
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    with serving_api(PagedApi([lead(number) for number in range(7)], "next link", most=3)) as api:
        positions = []
        api.before = lambda _asked: positions.append(_rows("cursors"))
        write(
            {"acme": {"connector": "rest_poll", "url": api.url, "options": {**REST, "auth": auth}}},
            acme=MAPPING,
        )
        assert run_poll("acme", "default").accepted == 7
        assert {shown(asked) for asked in api.asked} == {wanted}
        assert len(api.asked) > 2
        assert not [row for row in (*positions, _rows("cursors"), _rows("events")) if "k-1" in row or "p-1" in row]


def test_a_credential_in_the_set_address_is_shown_on_every_page_and_no_row_holds_it(write):
    """The addresses of next pages that this API names repeat it."""
    with serving_api(PagedApi([lead(number) for number in range(7)], "next link", most=3)) as api:
        positions = []
        api.before = lambda _asked: positions.append(_rows("cursors"))
        address = f"{api.url}?token=k-1&access_token=k-2&list=7"
        write({"acme": {"connector": "rest_poll", "url": address, "options": REST}}, acme=MAPPING)
        assert run_poll("acme", "default").accepted == 7
        shown = {tuple(asked.query.get(name) for name in ("token", "access_token", "list")) for asked in api.asked}
        assert (len(api.asked), shown) == (3, {("k-1", "k-2", "7")})
        assert not [row for row in (*positions, _rows("cursors"), _rows("events")) if "k-1" in row or "k-2" in row]


def test_a_token_of_the_next_page_is_no_credential_though_the_set_address_begins_with_one(write):
    begins = json.dumps({"leads": [lead(1)], "links": {"next": "/leads?page_token=7"}})
    with serving_api(PagedApi([lead(2)], "next link")) as api:
        api.answers = [(200, {}, begins.encode())]
        address = f"{api.url}?page_token=0"
        write({"acme": {"connector": "rest_poll", "url": address, "options": REST}}, acme=MAPPING)
        run_poll("acme", "default")
        assert [asked.query["page_token"] for asked in api.asked] == ["0", "7"]


def _rows(table: str) -> str:
    with transaction() as connection:
        return str(connection.exec_driver_sql(f"SELECT to_jsonb(t)::text FROM {table} t").scalars().all())


def test_without_its_secret_an_api_is_not_asked_and_doctor_names_the_variable(write):
    with serving_api(PagedApi([lead(1)], "next link")) as api:
        options = {**REST, "auth": {"by": "header", "name": "X-Api-Key"}}
        write({"acme": {"connector": "rest_poll", "url": api.url, "options": options}}, acme=MAPPING)
        report = run_poll("acme", "default")
        assert "acme has no ACME_KEY" in (report.error or "")
        assert api.asked == []
        check = next(check for check in run_checks() if check.name == "source acme")
        assert (check.ok, "ACME_KEY" in f"{check.detail} {check.remedy}") == (False, True)


def test_graphql_is_shown_a_proof_of_yaml_too(write, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "k-1")
    options = {"query": QUERY, "records_at": "data.leads.edges[*].node", "page_info_at": "data.leads.pageInfo"}
    options |= {"auth": {"by": "header", "name": "X-Shop-Key"}}
    with serving_api(PagedApi([lead(number) for number in range(3)], "graphql", most=3)) as api:
        write({"shop": {"connector": "graphql_poll", "url": api.url, "options": options}}, shop=MAPPING)
        assert run_poll("shop", "default").accepted == 3
        assert {asked.headers["X-Shop-Key"] for asked in api.asked} == {"k-1"}


@pytest.mark.parametrize(
    ("auth", "told"),
    [
        ({"by": "password"}, "sources.acme.options.auth.by: 'password' is not known"),
        ({"by": "header"}, "sources.acme.options.auth"),
        ({"by": "header", "name": "X: Y"}, "sources.acme.options.auth.name"),
        ({"by": "query", "name": "key", "value": "k-1"}, "sources.acme.options.auth"),
    ],
)
def test_a_wrong_proof_stops_its_source_alone_with_the_place(write, auth, told):
    write({"acme": {"connector": "rest_poll", "url": "http://h", "options": {**REST, "auth": auth}}}, acme=MAPPING)
    check = next(check for check in run_checks() if check.name == "source acme")
    assert not check.ok
    assert told in check.detail
    assert "k-1" not in check.detail
