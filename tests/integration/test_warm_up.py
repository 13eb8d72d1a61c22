"""A worker node does once, before it forks, what each of its processes would do at its first lead."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

_NODE = """
import json, sys
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID
import psutil
import pipeline.tasks
from pipeline import app
from pipeline.records import Lead
from pipeline.stages.attribution.touches import touch_of
from pipeline.stages.normalization import normalize_lead
from pipeline.values.phones.plans import region_plan
from pipeline.values.vocabularies import vocabulary

app._read_rules()
app._meet_everything_once(SimpleNamespace(hostname=sys.argv[1] + "@here"))
sockets = len(psutil.Process().net_connections(kind="all"))
known, read, plans = set(sys.modules), vocabulary.cache_info().misses, region_plan.cache_info().misses
from connectors.kit.registry import destination_types
destination_types()
now = datetime.now(UTC)
fields = {"email": "ana.exempel@example.org", "phone": "030 23125678", "country": "Germany", "first_name": "ana",
          "last_name": "Exempel", "company": "Exempel GmbH", "city": "berlin", "job_title": "Cartographer",
          "utm_source": "newsletter", "landing_page": "https://example.org/?utm_source=newsletter"}
lead = normalize_lead(Lead(UUID(int=1), "default", "api", "hot", now, now, "", fields=fields), default_region="DE")
lead.person_id = lead.event_id
touch_of(lead)
print(json.dumps({
    "sockets": sockets,
    "modules": sorted(set(sys.modules) - known),
    "vocabularies": vocabulary.cache_info().misses - read,
    "plans": region_plan.cache_info().misses - plans,
}))
"""
_NOTHING = {"sockets": 0, "modules": [], "vocabularies": 0, "plans": 0}


def first_lead_of(node: str, folder, **environment: str) -> dict:
    """What the first lead still had to load in a process of this node."""
    done = subprocess.run(
        [sys.executable, "-c", _NODE, node],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "AFLUENTE_DATA": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
@pytest.mark.parametrize("node", ["hot", "bulk", "deliver", "worker-of-ours"])
def test_the_first_lead_of_a_process_loads_nothing_and_the_parent_has_no_socket(node, tmp_path):
    assert first_lead_of(node, tmp_path) == _NOTHING


@pytest.mark.long
def test_a_node_that_meets_no_leads_is_spared_that(tmp_path):
    found = first_lead_of("ops", tmp_path)
    assert found["modules"]
    assert found["vocabularies"] > 0


@pytest.mark.long
def test_what_is_wrong_at_the_database_address_stops_no_node(tmp_path):
    found = first_lead_of("hot", tmp_path, AFLUENTE_DATABASE_URL="postgresql+psycopg2://nobody@127.0.0.1:1/none")
    assert found == _NOTHING


def test_the_supervisor_meets_no_lead_and_loads_nothing_for_one():
    program = "import sys, pipeline.supervisor.supervisor; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert "psutil" in loaded
    assert loaded & {"ftfy", "phonenumbers", "pycountry", "sqlalchemy"} == set()
