"""Two brands in one installation: whatever the other holds, nothing of it is in an answer to one, and no command or
route of one's own changes anything of the other's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cli.reference import walk_commands
from pipeline.permissions.doors import COMMANDS, LOCAL, ROUTES
from pipeline.permissions.roles import SCOPES
from pipeline.service_keys.keys import create_key
from pipeline.settings.loading import settings as loaded_settings
from pipeline.store.engine import transaction
from pipeline.store.webhooks import endpoints
from pipeline.webhooks.endpoints import HookTarget, seal_target
from tests.support.any_arguments import arguments_of
from tests.support.brand_rows import rows_of_brand
from tests.support.command_line import capture, deliver, run, work
from tests.support.granting import OWNER
from tests.support.identity_rows import rows
from tests.support.intake_server import running_receiver
from tests.support.properties import examples
from tests.support.services import forget_caches
from tests.support.watching import wait_until

OURS, THEIRS = "casa", "haus"
NEEDLE = "ofhaus"
SHARED = "ada.sample@example.org"
GONE = f"gone.{NEEDLE}@example.org"
BEA = "bea.sample@example.org"
CONSENT = {"purpose": "marketing", "channel": "email", "granted": True}
ASKED = sorted(path for path, door in COMMANDS.items() if door.does != LOCAL)
KEYED = sorted(route for route, door in ROUTES.items() if door.permission is not None)
# What looks at one brand and changes nothing: its answer is the same whatever the other brand holds.
LOOKS = {
    "leads export": ["--format", "jsonl"],
    "leads list": ["--json"],
    "leads replay": ["--source", "api", "--settled", "--dry-run", "--json"],
    "people export": ["--format", "jsonl"],
    "people recompute": ["--dry-run", "--json"],
    "people log": ["--json"],
    "people renew": ["--dry-run", "--json"],
    "consent export": ["--format", "jsonl"],
    "destination backfill": ["sandbox", "--everyone", "--dry-run", "--json"],
    "report attribution": ["--by", "campaign", "--json"],
    "privacy restrict": ["--list", "--json"],
    "privacy erase": ["--email", SHARED, "--dry-run", "--json"],
    "privacy status": ["--all", "--json"],
    "privacy hold list": ["--released", "--json"],
}
# What changes something, or shows one person: asked for the other brand's people in the name of one's own.
ACTS = {
    "import": ["{file}", "--source", "csv_import", "--accept", "--json"],
    "leads replay": ["--source", "api", "--settled", "--json"],
    "people recompute": ["--json"],
    "people renew": ["--json"],
    "destination backfill": ["sandbox", "--everyone", "--json"],
    "source connect": ["api"],
    "source disconnect": ["api"],
    "source poll": ["api"],
    "source fetch": ["api"],
    "source reconcile": ["api"],
    "privacy restrict": ["--person", "{person}", "--reason", "case"],
    "privacy erase": ["--person", "{person}", "--yes", "--no-wait"],
    "privacy export": ["--person", "{person}", "--out", "{out}"],
    "privacy hold add": ["--person", "{person}", "--reason", "case"],
    "privacy suppress": ["--email", SHARED, "--reason", "objection"],
    "audit export": ["--format", "jsonl"],
}
WITH_BRAND = sorted(
    path
    for path, command in walk_commands()
    if path in ASKED and any("--brand" in parameter.opts and not parameter.multiple for parameter in command.params)
)  # where several may be named the command is about the installation: who may in one brand is refused


@pytest.fixture(scope="module")
def brands(module_database, tmp_path_factory):
    """Both brands' settings, and of each one person with everything about them; the other's share an address."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("brands") / "afluente.yaml"
        path.write_text(json.dumps({"brands": {OURS: {}, THEIRS: {}}}))
        patch.setenv("AFLUENTE_CONFIG", str(path))
        forget_caches()
        capture(
            {"email": SHARED, "full_name": "Ada Sample", "consents": [CONSENT]},
            {"email": BEA, "full_name": "Bea Other", "utm_source": "google", "utm_campaign": "spring"},
            brand=OURS,
        )
        come_in([SHARED, GONE])
        for placed in (["restrict"], ["hold", "add"]):
            run("privacy", *placed, "--email", SHARED, "--brand", THEIRS, "--reason", NEEDLE)
        run("privacy", "suppress", "--email", f"old.{NEEDLE}@example.org", "--brand", THEIRS, "--reason", "objection")
        run("privacy", "erase", "--email", GONE, "--brand", THEIRS, "--yes", "--no-wait")
        create_key(loaded_settings(), "theirs", by=OWNER, scopes=["hooks:subscribe"], brands=[THEIRS])
        with transaction() as connection:
            endpoints.add_hook(
                connection,
                "hook_theirs",
                event="lead.settled",
                brands=[THEIRS],
                key_name="theirs",
                sealed=seal_target(HookTarget(f"https://{NEEDLE}.example.org", "secret"), "hook_theirs"),
            )
        yield path
    forget_caches()


@pytest.fixture(scope="module")
def key(brands) -> str:
    """It may everything, in one brand alone."""
    return create_key(loaded_settings(), "ours", by=OWNER, scopes=SCOPES, brands=[OURS]).key


@pytest.fixture(scope="module")
def seen_first(brands, key) -> dict[str, str]:
    return {path: look(path, key) for path in LOOKS}


def come_in(addresses: list[str]) -> None:
    """Leads of the other brand, all the way to its people and their deliveries; some share an address with ours."""
    records = [
        {
            "email": address,
            "full_name": f"{NEEDLE.title()} Sample",
            "company": f"{NEEDLE} Works",
            "message": f"{NEEDLE}-message",
            "utm_source": NEEDLE,
            "utm_campaign": f"{NEEDLE}-campaign",
            "external_id": f"{NEEDLE}-{number}-{address}",
            "consents": [{**CONSENT, "granted": number % 2 == 0, "policy_version": NEEDLE}],
        }
        for number, address in enumerate(addresses)
    ]
    capture(*records, brand=THEIRS)
    work()
    deliver()


def look(path: str, key: str) -> str:
    done = run(*path.split(), *LOOKS[path], "--brand", OURS, environment={"AFLUENTE_TOKEN": key})
    assert done.returncode == 0, (path, done.stderr)
    return done.stdout


def their_person() -> str:
    return str(rows("SELECT person_id FROM people WHERE brand = %s ORDER BY person_id LIMIT 1", THEIRS)[0][0])


def test_each_command_that_takes_a_brand_is_asked_here():
    assert sorted({*LOOKS, *ACTS}) == WITH_BRAND


@settings(max_examples=examples(8))
@given(addresses=st.lists(st.sampled_from([SHARED, BEA, f"new.{NEEDLE}@example.org"]), min_size=1, max_size=3))
def test_whatever_the_other_brand_holds_every_answer_to_ours_is_the_same(seen_first, key, addresses):
    come_in(addresses)
    for path in LOOKS:
        answered = look(path, key)
        assert NEEDLE not in answered.lower(), path
        assert answered == seen_first[path], path


@pytest.mark.parametrize("path", sorted(ACTS))
def test_a_command_in_the_name_of_one_brand_leaves_the_other_as_it_was(path, key, tmp_path):
    file = tmp_path / "leads.csv"
    file.write_text(f"email,full_name\n{SHARED},Ada Sample\n")
    names = {"file": str(file), "person": their_person(), "out": str(tmp_path / "out")}
    arguments = [argument.format(**names) for argument in ACTS[path]]
    before = rows_of_brand(THEIRS)
    assert len(before) > 5
    done = run(*path.split(), *arguments, "--brand", OURS, environment={"AFLUENTE_TOKEN": key}, stdin="\n")
    work()
    assert "this needs the permission" not in done.stderr
    assert rows_of_brand(THEIRS) == before
    assert NEEDLE not in (done.stdout + done.stderr).lower()
    assert not (tmp_path / "out").exists()


@pytest.mark.short(4)
@pytest.mark.parametrize("path", ASKED)
def test_a_command_refuses_a_key_of_one_brand_that_names_the_other_or_none(path, key):
    for brand in ([], ["--brand", THEIRS]) if path in WITH_BRAND else ([],):
        done = run(*path.split(), *arguments_of(path), *brand, environment={"AFLUENTE_TOKEN": key}, stdin="\n")
        assert done.returncode == 1, path
        assert done.stdout == "", path
        assert "this needs the permission" in done.stderr or "nobody gives more" in done.stderr, path


@pytest.fixture(scope="module")
def receiver(key):
    with running_receiver() as running:
        known = {"Authorization": f"Bearer {key}"}
        assert wait_until(lambda: running.get("/v1/hooks", headers=known).status_code != 401, seconds=20)
        yield running


@pytest.mark.parametrize("route", KEYED)
def test_a_route_with_a_key_of_one_brand_finds_and_changes_nothing_of_the_other(route, key, receiver):
    method, path = route.split()
    event, person = rows(
        "SELECT event_id, person_id FROM events WHERE brand = %s AND person_id IS NOT NULL LIMIT 1", THEIRS
    )[0]
    ((request,),) = rows("SELECT request_id FROM privacy_requests WHERE brand = %s LIMIT 1", THEIRS)
    address = path.format(
        event_id=event,
        person_id=person,
        request_id=request,
        hook_id="hook_theirs",
        event="lead.settled",
    )
    before = rows_of_brand(THEIRS)
    bodies = (
        {"person_id": str(person), "email": SHARED, "brand": THEIRS, "purpose": "marketing", "channel": "email"},
        {"person_id": str(person), "brand": OURS},
        {"event": "person.created", "target_url": "https://example.org/hook", "brands": [THEIRS]},
    )
    for body in bodies:
        for query in ("", f"?brand={THEIRS}"):
            reply = receiver.http.request(
                method, receiver.address + address + query, json=body, headers={"Authorization": f"Bearer {key}"}
            )
            assert reply.status_code < 500, (route, reply.text)
            assert NEEDLE not in reply.text.lower(), route
    work()
    assert rows_of_brand(THEIRS) == before, route
