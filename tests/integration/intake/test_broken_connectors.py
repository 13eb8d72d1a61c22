"""A company's connector that cannot be loaded: what came in waits in quarantine and is right once it is mended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.command_line import lines, problem, run, work
from tests.support.company_sources import CompanySources, company_sources
from tests.support.intake_server import quarantined, running_receiver
from tests.support.services import forget_caches

pytestmark = pytest.mark.usefixtures("database", "redis_url")

PREPARED = "intake=Webhook(), prepare=prepare"
MAPPING = "lead: {email: mail}\n"
PREPARES = "def prepare(record):\n    return {'mail': record['contact']['mail']}"


@pytest.fixture
def company(tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path, monkeypatch)


@pytest.mark.parametrize("mapping", ["forms", "of_here"])
def test_what_came_in_is_not_mapped_unprepared_whatever_its_mapping_is_called(company, mapping):
    company.declare("forms", PREPARED, MAPPING, before=PREPARES)
    (company.folder / "mappings/sources/of_here.yaml").write_text(f"source: of_here\nversion: 1\n{MAPPING}")
    (company.folder / "afluente.yaml").write_text(f"sources:\n  shop: {{connector: forms, mapping: {mapping}}}\n")
    forget_caches()
    with running_receiver() as receiver:
        assert receiver.post("/in/default/shop", json={"contact": {"mail": "ada@example.org"}}).ok
    company.declare("forms", PREPARED, MAPPING, before="import nowhere_to_be_found")
    work()
    ((code, reason),) = quarantined("shop")
    assert (code, "nowhere_to_be_found" in reason) == ("source_broken", True)
    assert "the connector of shop cannot be loaded" in problem(
        "leads", "replay", "--settled", "--source", "shop", code=2
    )
    company.declare("forms", PREPARED, MAPPING, before=PREPARES)
    assert run("quarantine", "replay", "--reason", "source_broken").returncode == 0
    work()
    assert [(row["state"], row["email"]) for row in lines("leads", "export", "--source", "shop")] == [
        ("settled", "ada@example.org")
    ]
