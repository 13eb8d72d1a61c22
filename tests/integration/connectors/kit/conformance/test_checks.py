"""No check without a counter-example: each one fails on a source spoiled for it (a check without one is a KeyError)."""

from __future__ import annotations

import logging
from dataclasses import replace

import orjson
import pytest

from connectors.kit import (
    Connector,
    Cursor,
    Fetch,
    HmacSha256,
    Option,
    PageNumber,
    Poll,
    Reconcile,
    Secret,
    SharedSecret,
    Subscription,
    Webhook,
)
from connectors.kit.conformance import CHECKS, Case, Rule, Trial, run_checks
from connectors.kit.sources.samples import Pulled, Sample

SLUG = "acme_forms"
FIELDS = {"email": "answers.email", "full_name": "answers.name"}


def try_record(record, content_type):
    """A pipeline in small: two mapped fields, one required, one ignored; the rest is undecided."""
    answers = record.get("answers")
    answers = answers if isinstance(answers, dict) else {}
    email, name = answers.get("email"), answers.get("name")
    if not isinstance(email, str) or "@" not in email:
        return Trial(stopped="missing_required", message="email is required")
    rest = tuple(f"answers.{key}" for key in answers if key not in ("email", "name", "shoe_size"))
    return Trial({"email": email.lower(), "full_name": name, "phone": "+12025550143"}, undecided=rest)


def entry(number):
    return {
        "entry_id": f"e-{number}",
        "submitted_at": f"2026-03-0{number}T10:00:00Z",
        "answers": {"email": f"Ada{number}@Example.com", "name": "Ada L", "shoe_size": 38},
    }


def sample(name, entries, **more):
    return Sample(SLUG, name, "application/json", orjson.dumps({"entries": entries}), more.get("expected"))


EXPECTED = [{"email": "ada1@example.com", "full_name": "Ada L", "phone": "+12025550143"}]
TYPICAL = sample("typical", [entry(1), entry(2), entry(3)], expected=EXPECTED)

GOOD = Case(
    source=SLUG,
    connector=Connector(
        source=SLUG,
        title="Acme Forms",
        owner="@growth-data",
        docs_url="https://developers.acme.example/webhooks",
        intake=Webhook(
            records_at="entries",
            signature=HmacSha256(header="X-Acme-Signature", secret=Secret("ACME_FORMS_SECRET")),
        ),
        event_id="entry_id",
        occurred_at="submitted_at",
    ),
    samples=(TYPICAL, sample("hostile", [{"answers": 7}])),
    mapping_source=SLUG,
    mapping_problem=None,
    rules=tuple(Rule(field, (path,), field == "email") for field, path in FIELDS.items()),
    try_record=try_record,
)
POLL = Poll(
    url="https://api.acme.example/leads",
    records_at="entries",
    pages=PageNumber(),
    cursor=Cursor(param="since", field="submitted_at"),
)
POLLED = replace(GOOD, connector=replace(GOOD.connector, intake=POLL))
FETCH = Fetch(url="https://api.acme.example/v1/entries/{entry_id}", token=Secret("ACME_FORMS_TOKEN"))
IDS = [{"entry_id": f"e-{number}", "submitted_at": f"2026-03-0{number}T10:00:00Z"} for number in (1, 2, 3)]
FETCHED = replace(
    GOOD,
    connector=replace(GOOD.connector, intake=replace(GOOD.connector.intake, fetch=FETCH)),
    samples=(
        replace(
            sample("typical", IDS, expected=EXPECTED),
            fetched=tuple({**entry(number), "number": number} for number in (1, 2, 3)),
        ),
    ),
)
SUBSCRIPTION = Subscription(
    Fetch(url="https://api.acme.example/hooks", token=Secret("ACME_FORMS_TOKEN")),
    records_at="hooks",
    url_at="url",
    active_at="on",
)
HOOKS = {"hooks": [{"url": "https://leads.example.org/in/default/acme_forms", "on": True}]}
SUBSCRIBED = replace(
    GOOD,
    connector=replace(GOOD.connector, intake=replace(GOOD.connector.intake, subscription=SUBSCRIPTION)),
    samples=(replace(GOOD.samples[0], hooks=HOOKS), *GOOD.samples[1:]),
)


LISTED = Poll(
    url="https://api.acme.example/v1/{form}/entries",
    records_at="items",
    pages=PageNumber(),
    token=Secret("ACME_FORMS_TOKEN"),
    params={"since": "{from}", "until": "{to}"},
)


def pushed(record, parents):
    return {"entries": [{"entry_id": record.get("id"), "submitted_at": record.get("at"), **parents[0]["said"]}]}


RECONCILED = replace(
    GOOD,
    connector=replace(
        GOOD.connector,
        intake=replace(
            GOOD.connector.intake, reconcile=Reconcile(LISTED, pushed, options=(Option("form"),), each="form")
        ),
    ),
    samples=(sample("typical", [entry(1)], expected=EXPECTED), sample("hostile", [{"answers": 7}])),
    pulled=(
        Pulled(
            SLUG,
            "typical",
            {"items": [{"id": "e-1", "at": "2026-03-01T10:00:00Z"}]},
            ({"said": {"answers": entry(1)["answers"]}},),
        ),
        Pulled(SLUG, "hostile", {"items": [None, 7, {"id": [1]}, {"id": "e-2", "at": 7}]}, ({"said": {}},)),
    ),
)


def with_pushed(pushed, **more):
    reconcile = replace(RECONCILED.connector.intake.reconcile, pushed=pushed, **more)
    return with_intake(RECONCILED, reconcile=reconcile)


def with_listed(*entries):
    return replace(RECONCILED, pulled=(replace(RECONCILED.pulled[0], answer={"items": list(entries)}),))


def pushed_with_words(record, parents):
    return {"entries": [{**pushed(record, parents)["entries"][0], "entry_id": f"e-{record.get('id')}"}]}


def pushed_bare(record, parents):
    return pushed(record, [{"said": {}}])


def pushed_of_another(record, parents):
    return pushed(record, [{"said": {"answers": {"email": "bo@example.org"}}}])


def counting():
    numbers = iter(range(100))
    return lambda record, parents: {**pushed(record, parents), "number": next(numbers)}


def with_connector(case, **more):
    return replace(case, connector=replace(case.connector, **more))


def with_intake(case, **more):
    return with_connector(case, intake=replace(case.connector.intake, **more))


def with_typical(case, entries, expected=EXPECTED):
    return replace(case, samples=(sample("typical", entries, expected=expected),))


def answering(case, change):
    return replace(case, try_record=lambda record, kind: change(try_record(record, kind), record))


class AcceptsAll:
    """A signature scheme that looks at nothing."""

    secret = Secret("ACME_FORMS_SECRET")

    def verify(self, **_):
        return True

    def sign(self, **_):
        return {"X-Acme-Signature": "1"}


def crashing(case):
    return replace(case, try_record=lambda record, kind: Trial({"email": record["answers"]["email"].lower()}))


def chatty(case):
    def change(trial, record):
        logging.getLogger("mapping").info("mapped %s", trial.lead)
        return trial

    return answering(case, change)


SPOILERS = {
    "one_slug_everywhere": lambda case: replace(case, mapping_source="acme"),
    "declaration_is_complete": lambda case: with_connector(case, owner="somebody"),
    "secrets_are_named_after_their_source": lambda case: with_intake(
        case, signature=HmacSha256(header="X", secret=Secret("WEBHOOK_SECRET"))
    ),
    "samples_exist": lambda case: with_typical(case, [entry(1)], expected=None),
    "mapping_is_sound": lambda case: replace(case, mapping_problem="acme_forms.yaml: lead.emial is no field"),
    "every_field_is_decided": lambda case: with_typical(case, [{"answers": {"email": "a@example.com", "new": 1}}]),
    "every_mapped_path_occurs": lambda case: replace(case, rules=(Rule("email", ("answers.e_mail",), True),)),
    "event_ids_are_present_and_unique": lambda case: with_typical(case, [entry(1), entry(1)]),
    "times_become_aware_utc": lambda case: with_connector(case, occurred_at="answers.name"),
    "typical_lead_is_as_expected": lambda case: with_typical(case, [entry(2)]),
    "missing_required_field_is_parked": lambda case: replace(case, rules=(Rule("full_name", ("answers.name",), True),)),
    "hostile_payload_is_survived": crashing,
    "second_delivery_is_recognized": lambda case: with_typical(with_connector(case, event_id=None), [entry(1)] * 2),
    "no_sample_value_is_logged": chatty,
    "sample_people_are_invented": lambda case: with_typical(case, [{"answers": {"email": "ada@gmail.com"}}]),
    "ids_are_read_by_their_source_alone": lambda _: with_intake(FETCHED, fetch=replace(FETCH, when={"kind": "other"})),
    "lists_name_what_was_posted": lambda _: replace(RECONCILED, pulled=()),
    "what_has_no_id_is_not_named": lambda _: with_pushed(pushed_with_words),
    "subscription_is_understood": lambda _: with_intake(
        SUBSCRIBED, subscription=replace(SUBSCRIPTION, active=(True, None))
    ),
    "signature_is_checked": lambda case: with_intake(case, signature=AcceptsAll()),
    "poll_reads_every_page_once": lambda case: with_intake(POLLED, cursor=Cursor(param="since", field="changed_at")),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "good_case",
    [GOOD, POLLED, FETCHED, RECONCILED, SUBSCRIBED],
    ids=["webhook", "poll", "fetch", "reconcile", "subscription"],
)
def test_a_good_source_passes(good_case, check):
    assert check(good_case) == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_can_fail(check):
    problems = check(SPOILERS[check.__name__](GOOD))
    assert problems
    assert all(problem.strip() for problem in problems)


def test_no_counter_example_is_left_over():
    assert set(SPOILERS) == {check.__name__ for check in CHECKS}


# What each check looks at beside its main counter-example.
FURTHER = [
    ("one_slug_everywhere", lambda case: with_connector(case, source="acme")),
    ("one_slug_everywhere", lambda case: replace(case, source="Acme Forms")),
    ("declaration_is_complete", lambda case: with_connector(case, title=" ")),
    ("declaration_is_complete", lambda case: with_connector(case, docs_url="http://acme.example")),
    ("declaration_is_complete", lambda case: with_connector(case, tier="platinum")),
    ("declaration_is_complete", lambda case: with_connector(case, lane="slow")),
    ("declaration_is_complete", lambda case: with_intake(case, formats=("xml",))),
    ("declaration_is_complete", lambda case: with_intake(case, idempotency_header="X-Id")),
    ("declaration_is_complete", lambda _: with_intake(POLLED, pages=None, cursor=None)),
    ("secrets_are_named_after_their_source", lambda _: with_intake(POLLED, token=Secret("ACME_TOKEN"))),
    ("samples_exist", lambda case: replace(case, samples=())),
    ("event_ids_are_present_and_unique", lambda case: with_connector(case, event_id="id")),
    ("typical_lead_is_as_expected", lambda case: with_typical(case, [])),
    ("typical_lead_is_as_expected", lambda case: with_typical(case, [{"answers": {}}])),
    ("typical_lead_is_as_expected", lambda case: answering(case, lambda t, _: replace(t, lead={**t.lead, "x": 1}))),
    ("hostile_payload_is_survived", lambda case: answering(case, lambda t, _: replace(t, stopped=None))),
    (
        "no_sample_value_is_logged",
        lambda case: answering(case, lambda _, r: Trial(stopped="bad", message=f"bad {r.get('answers')}")),
    ),
    (
        "sample_people_are_invented",
        lambda case: answering(case, lambda t, _: (t.lead and Trial({**t.lead, "phone": "+493012345678"})) or t),
    ),
    ("every_mapped_path_occurs", lambda case: replace(case, shape=lambda _: {"answers": []})),
    ("poll_reads_every_page_once", lambda _: with_intake(POLLED, records_at="leads")),
    (
        "ids_are_read_by_their_source_alone",
        lambda _: replace(FETCHED, samples=(replace(FETCHED.samples[0], fetched=()),)),
    ),
    (
        "ids_are_read_by_their_source_alone",
        lambda _: with_intake(FETCHED, fetch=replace(FETCH, code_at="number", codes={1: "retry"})),
    ),
    ("declaration_is_complete", lambda _: with_intake(FETCHED, fetch=replace(FETCH, url="https://{entry_id}/x"))),
    ("declaration_is_complete", lambda _: with_intake(SUBSCRIBED, subscription=replace(SUBSCRIPTION, each="page"))),
    ("subscription_is_understood", lambda _: with_intake(SUBSCRIBED, subscription=replace(SUBSCRIPTION, url_at="tag"))),
    ("subscription_is_understood", lambda _: replace(SUBSCRIBED, samples=GOOD.samples)),
    (
        "subscription_is_understood",
        lambda _: with_intake(SUBSCRIBED, subscription=replace(SUBSCRIPTION, records_at="url")),
    ),
    ("declaration_is_complete", lambda _: with_intake(FETCHED, fetch=replace(FETCH, url="http://acme.example/{id}"))),
    ("declaration_is_complete", lambda _: with_intake(FETCHED, fetch=replace(FETCH, headers={"V": "{entry_id}"}))),
    ("declaration_is_complete", lambda _: with_intake(FETCHED, fetch=replace(FETCH, codes={1: "sometimes"}))),
    ("secrets_are_named_after_their_source", lambda _: with_intake(FETCHED, fetch=replace(FETCH, token=Secret("T")))),
    ("poll_reads_every_page_once", lambda _: with_typical(POLLED, [entry(1)])),
    ("lists_name_what_was_posted", lambda _: with_listed({"id": "e-9", "at": "2026-03-01T10:00:00Z"})),
    ("lists_name_what_was_posted", lambda _: with_listed({"id": "e-1", "at": "2026-03-02T10:00:00Z"})),
    ("lists_name_what_was_posted", lambda _: with_listed()),
    ("lists_name_what_was_posted", lambda _: with_listed(7)),
    ("lists_name_what_was_posted", lambda _: with_pushed(lambda record: {"entries": []})),
    ("lists_name_what_was_posted", lambda _: with_pushed(lambda record: None)),
    ("lists_name_what_was_posted", lambda _: with_pushed(lambda record: [record])),
    ("lists_name_what_was_posted", lambda _: with_pushed(lambda record: record["nothing"])),
    ("lists_name_what_was_posted", lambda _: with_pushed(counting())),
    (
        "lists_name_what_was_posted",
        lambda _: with_pushed(
            lambda record, parents: pushed(record, [{"said": {"answers": {"email": "b@c.example"}}}])
        ),
    ),
    ("lists_name_what_was_posted", lambda _: with_pushed(pushed_bare)),
    (
        "lists_name_what_was_posted",
        lambda _: with_intake(with_pushed(pushed_bare), fetch=replace(FETCH, when={"answers.name": "Ada L"})),
    ),
    ("what_has_no_id_is_not_named", lambda _: with_pushed(lambda record, parents: {"entries": [entry(1)]})),
    ("declaration_is_complete", lambda _: with_connector(RECONCILED, event_id=None)),
    ("declaration_is_complete", lambda _: with_connector(RECONCILED, occurred_at=None)),
    ("declaration_is_complete", lambda _: with_connector(RECONCILED, contact_at=("answers.email",))),
    ("declaration_is_complete", lambda _: with_intake(RECONCILED, formats=("form",))),
    ("declaration_is_complete", lambda _: with_pushed(pushed, takes_time=False)),
    ("declaration_is_complete", lambda _: with_pushed(pushed, lists="lists")),
    ("declaration_is_complete", lambda _: with_pushed(pushed, lists="form")),
    ("declaration_is_complete", lambda _: with_connector(RECONCILED, event_id=("entry_id", "answers..kind"))),
    ("declaration_is_complete", lambda _: with_pushed(pushed, written="weeks")),
    ("declaration_is_complete", lambda _: with_pushed(pushed, each="page")),
    ("declaration_is_complete", lambda _: with_pushed(pushed, options=(Option("form"), Option("from")))),
    ("declaration_is_complete", lambda _: with_pushed(pushed, poll=replace(LISTED, params={}))),
    ("declaration_is_complete", lambda _: with_pushed(pushed, poll=replace(LISTED, pages=None))),
    ("declaration_is_complete", lambda _: with_pushed(pushed, poll=replace(LISTED, url="http://acme.example/{form}"))),
    ("declaration_is_complete", lambda _: with_pushed(pushed, poll=replace(LISTED, cursor=Cursor("since", "id")))),
    ("secrets_are_named_after_their_source", lambda _: with_pushed(pushed, poll=replace(LISTED, token=Secret("T")))),
    ("sample_people_are_invented", lambda _: with_listed({"id": "e-1", "mail": "ada@gmail.com"})),
]


@pytest.mark.parametrize(("name", "spoil"), FURTHER, ids=[f"{name}-{n}" for n, (name, _) in enumerate(FURTHER)])
def test_check_looks_at_all_it_promises(name, spoil):
    check = next(check for check in CHECKS if check.__name__ == name)
    assert check(spoil(GOOD)) != []


def test_paths_are_looked_up_in_the_shape_the_mapping_gives_a_record():
    """A list of `{name, value}` that rules read by name: found, and taken out where the check needs it gone."""

    def shape(record):
        answers = record.get("answers")
        return {
            **record,
            "answers": {one["name"]: one["value"] for one in answers} if isinstance(answers, list) else answers,
        }

    listed = [
        {**entry(number), "answers": [{"name": key, "value": value} for key, value in entry(number)["answers"].items()]}
        for number in (1, 2, 3)
    ]
    case = replace(
        with_typical(GOOD, listed), shape=shape, try_record=lambda record, kind: try_record(shape(record), kind)
    )
    for name in ("every_field_is_decided", "every_mapped_path_occurs", "missing_required_field_is_parked"):
        check = next(check for check in CHECKS if check.__name__ == name)
        assert check(case) == []
    check = next(check for check in CHECKS if check.__name__ == "every_mapped_path_occurs")
    assert check(replace(case, shape=dict)) != []


def test_a_mapping_that_cannot_be_read_is_the_finding_and_no_flood_of_others():
    broken = replace(GOOD, mapping_problem="acme_forms.yaml: not YAML", mapping_source=None)
    assert run_checks(broken) == ["acme_forms.yaml: not YAML"]
    assert run_checks(GOOD) == []


def test_a_secret_that_is_shown_need_not_tell_an_altered_body():
    good = with_intake(GOOD, signature=SharedSecret(Secret("ACME_FORMS_SECRET")))
    assert run_checks(good) == []


def test_a_scheme_that_looks_at_nothing_is_found_though_it_says_that_it_signs_no_body():
    class Careless(SharedSecret):
        def verify(self, **_):
            return True

    problems = run_checks(with_intake(GOOD, signature=Careless(Secret("ACME_FORMS_SECRET"))))
    assert problems == ["another secret is accepted", "a request without the header authorization is accepted"]


@pytest.mark.parametrize("case", [GOOD, POLLED], ids=["webhook", "poll"])
def test_a_path_to_records_that_cannot_be_read_is_told_once(case):
    check = next(check for check in CHECKS if check.__name__ == "declaration_is_complete")
    (problem,) = check(with_intake(case, records_at="entries["))
    assert problem.startswith("records_at: the path 'entries[' cannot be read at character 8")
