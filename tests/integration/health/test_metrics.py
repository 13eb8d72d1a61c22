"""What Prometheus gets: every metric that the pages name, from a running receiver, once for the whole installation."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from connectors.kit import Secret, destination_types
from connectors.kit.sources.signatures import StandardWebhooks
from pipeline.health.installation_gauges import InstallationGauges
from pipeline.records import new_id
from pipeline.stages.mapping.source_mapping import load_source_mapping
from pipeline.store.deliveries.comparisons import note_comparison
from pipeline.store.engine import transaction
from pipeline.store.events.reconciled import DayCount, keep_days
from pipeline.store.roles.statements import ROLES
from tests.support.installation_rows import add_delivery, add_endpoint, add_events, add_opt_out_reading, configure
from tests.support.intake_server import Receiver, running_receiver
from tests.support.paths import ROOT
from tests.support.services import forget_caches

AWAY_DATABASE = "postgresql://nobody:secret-of-the-database@/nothing?host=/nonexistent"
# Not the changelog: it names what is gone, too.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OF_THE_INSTALLATION = "afluente_events_pending"


SIGNED = StandardWebhooks(Secret("STANDARD_WEBHOOKS_SECRET"))
SIGNING_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
OTHER_WORDS = ("website-form",)  # pages that name what a browser keeps


def metrics_on_pages() -> dict[str, str]:
    """Each metric that a page names, with the page."""
    return {
        name: str(page.relative_to(ROOT))
        for page in PAGES
        if page.stem not in (*destination_types(), *OTHER_WORDS)  # the former name fields of a CRM
        for name in re.findall(r"\bafluente_[a-z_]+\b", page.read_text(encoding="utf-8"))
        if name not in ROLES
    }


def samples(receiver: Receiver) -> dict[str, float]:
    """Sum of the samples of each metric that a receiver serves."""
    answer = receiver.get("/metrics")
    assert answer.status_code == 200
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def samples_within(receiver: Receiver, name: str, *, seconds: float = 20.0) -> dict[str, float]:
    """The samples as soon as `name` is among them: what was read once is served for five seconds."""
    deadline = time.monotonic() + seconds
    while name not in (found := samples(receiver)):
        assert time.monotonic() < deadline, f"{name} is not served"
        time.sleep(0.2)
    return found


def add_undecided_path() -> None:
    version = load_source_mapping("web_form").version
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO drift (brand, source, mapping_version, path, leads)"
            " VALUES ('default', 'web_form', %s, 'x', 1)",
            (version,),
        )


def add_quarantined() -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO quarantine (quarantine_id, event_id, brand, stage, code, message)"
            " VALUES (%s, %s, 'default', 'map_fields', 'bug', '')",
            (new_id(), new_id()),
        )


def add_fetch() -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO fetches (event_id, brand, source) SELECT event_id, brand, source FROM events LIMIT 1"
        )


def add_compared_day(monkeypatch) -> None:
    monkeypatch.setenv("TYPEFORM_TOKEN", "a-token")
    forget_caches()
    now = datetime.now(UTC)
    with transaction() as connection:
        keep_days(connection, "default", "typeform", {now.date() - timedelta(days=1): DayCount(1, 1)}, read_to=now)


def add_rhythm() -> None:
    with transaction() as connection:
        connection.exec_driver_sql("INSERT INTO source_rhythms (brand, source) VALUES ('default', 'web_form')")
        connection.exec_driver_sql("INSERT INTO source_subscriptions (brand, source) VALUES ('default', 'typeform')")


def post_signed(receiver: Receiver) -> None:
    body = b'{"type": "lead.created", "data": {"email": "ada@example.org"}}'
    headers = SIGNED.sign(secret=SIGNING_SECRET, body=body, message_id="m-1", now=time.time())
    answer = receiver.post("/in/default/standard_webhooks", data=body, headers=headers)
    assert answer.status_code == 200


def test_every_metric_that_a_page_names_is_at_a_running_receiver(installation, monkeypatch, tmp_path):
    add_compared_day(monkeypatch)
    monkeypatch.setenv(SIGNED.secret.name, SIGNING_SECRET)
    configure(tmp_path, installation.address, secrets={"expires": {f"env:{SIGNED.secret.name}": "2027-03-31"}})
    add_events(1, "hot")
    add_delivery("due")
    add_quarantined()
    add_undecided_path()
    add_endpoint()
    add_fetch()
    add_delivery("held")
    add_delivery("no_consent")
    add_rhythm()
    add_opt_out_reading()
    with transaction() as connection:
        note_comparison(connection, "crm", "1", findings=["a field is missing"], fault=None)
    with running_receiver() as receiver:
        receiver.post_leads({"email": "ada@example.org"})
        post_signed(receiver)
        served = samples(receiver)
    named = metrics_on_pages()
    assert len(named) > 8
    assert {name: page for name, page in named.items() if name not in served} == {}


def test_of_several_receivers_one_serves_the_gauges_of_the_installation_and_each_its_own(installation):
    add_events(3, "hot")
    with running_receiver() as first, running_receiver() as second, running_receiver() as third:
        served = [samples(receiver) for receiver in (first, second, third)]
    assert [found.get(OF_THE_INSTALLATION) for found in served] == [3.0, None, None]
    assert [found["afluente_serves_installation"] for found in served] == [1.0, 0.0, 0.0]
    for found in served:
        assert found["afluente_up"] == 2.0, "each says whether it reaches PostgreSQL and Redis"
        assert "afluente_intake_queued_events" in found


@pytest.mark.long
def test_another_receiver_takes_over_when_the_one_that_served_them_ends(installation):
    add_events(3, "hot")
    with running_receiver() as second:
        with running_receiver() as first:
            assert OF_THE_INSTALLATION in samples(first)
            assert OF_THE_INSTALLATION not in samples(second)
        assert samples_within(second, OF_THE_INSTALLATION)[OF_THE_INSTALLATION] == 3.0


@pytest.mark.long
def test_a_receiver_that_lost_its_connection_serves_them_again_or_another_does(installation):
    add_events(3, "hot")
    with running_receiver() as first, running_receiver() as second:
        assert OF_THE_INSTALLATION in samples(first)
        assert OF_THE_INSTALLATION not in samples(second)
        with transaction() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 415022"
                " AND objid = 4"
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            serving = [receiver for receiver in (first, second) if OF_THE_INSTALLATION in samples(receiver)]
            time.sleep(0.5)
        assert len(serving) == 1


def test_a_database_that_hangs_holds_up_neither_metrics_nor_leads(installation):
    with running_receiver() as receiver, transaction() as connection:
        connection.exec_driver_sql("LOCK TABLE quarantine IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        for _ in range(3):
            found = samples(receiver)
        assert time.monotonic() - began < 3
        assert OF_THE_INSTALLATION not in found
        began = time.monotonic()
        assert receiver.post_leads({"email": "ada@example.org"}).status_code == 202
        assert receiver.get("/health/ready").status_code == 200
        assert time.monotonic() - began < 2
        assert samples(receiver)["afluente_intake_events_total"] == 1.0


def test_a_database_that_hangs_later_is_soon_told_to_be_down(installation, monkeypatch):
    add_events(3, "hot")
    monkeypatch.setattr("pipeline.health.installation_gauges._CACHED_SECONDS", 0.2)
    monkeypatch.setattr("pipeline.health.installation_gauges._OVERRUN_SECONDS", 1.5)
    with running_receiver() as receiver:
        assert samples_within(receiver, OF_THE_INSTALLATION)["afluente_up"] == 2.0
        with transaction() as connection:
            connection.exec_driver_sql("LOCK TABLE quarantine IN ACCESS EXCLUSIVE MODE")
            deadline = time.monotonic() + 20
            while samples(receiver)["afluente_up"] > 0:
                assert time.monotonic() < deadline
                time.sleep(0.2)


# ---- the gauges by themselves ----


def exposition(collector: InstallationGauges) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def test_metrics_carry_the_backlog_by_lane_and_destination(installation, redis_client):
    add_events(4, "hot")
    add_delivery("due")
    redis_client.lpush("hot", "a message")
    text = exposition(InstallationGauges())
    for line in (
        'afluente_up{part="database"} 1.0',
        'afluente_up{part="redis"} 1.0',
        'afluente_events_pending{lane="hot"} 4.0',
        'afluente_deliveries_due{destination="crm",lane="bulk"} 1.0',
        'afluente_queue_messages{queue="hot"} 1.0',
        'afluente_destination_halted{destination="crm"} 0.0',
        'afluente_destination_rate_factor{destination="crm"} 1.0',
    ):
        assert line in text.splitlines()


def test_a_part_that_is_away_shows_as_down_and_the_rest_stays(installation, monkeypatch):
    monkeypatch.setenv("AFLUENTE_DATABASE_URL", AWAY_DATABASE)
    forget_caches()
    lines = exposition(InstallationGauges()).splitlines()
    assert 'afluente_up{part="database"} 0.0' in lines
    assert 'afluente_up{part="redis"} 1.0' in lines
    assert not [line for line in lines if line.startswith("afluente_events_pending{")]


def test_scrapers_in_a_hurry_share_one_reading(installation):
    collector = InstallationGauges()
    first = exposition(collector)
    add_events(1, "hot")
    assert exposition(collector) == first
