"""A kind of CRM that can do nothing but write: what it lacks is left out and said, and never taken for well."""

from __future__ import annotations

import json

import pytest

from connectors.kit import registry
from tests.support.command_line import answer, problem, run

CONNECTOR = """
from pathlib import Path

from connectors.kit import DestinationType, Option, Usage, WriteResult


class BareWriter:
    def __init__(self, connection):
        self.usage = Usage()
        self._path = Path(connection.options["file"])

    def write(self, records):
        self._path.write_text(repr(sorted(records[0].fields)))
        return [WriteResult(record.key, "written", crm_id="bare-1", created=True) for record in records]

    def check(self):
        pass

    def close(self):
        pass


DESTINATION = DestinationType(
    kind="bare", title="Bare CRM", docs_url="https://crm.example.org", open=BareWriter, batch_size=10,
    calls_per_second=1.0, burst=1, options=(Option("file"),),
)
"""


@pytest.fixture
def written(configured, tmp_path, monkeypatch):
    """The file that its writer writes to."""
    (tmp_path / "connectors" / "destinations").mkdir(parents=True)
    (tmp_path / "connectors" / "destinations" / "bare.py").write_text(CONNECTOR)
    path = tmp_path / "written"
    configured(
        {"email": {"from": "email", "as": "email"}, "name": "full_name"},
        kind="bare",
        base_url="https://crm.example.org",
        options={"file": str(path)},
    )
    registry.forget()  # kinds are read once
    yield path
    monkeypatch.undo()
    registry.forget()


def test_the_check_writes_and_says_what_is_left_to_a_human(written):
    told = {made["name"]: made for made in answer("destination", "check", "crm")["checks"]}
    assert "does not tell which fields" in told["fields"]["detail"]
    assert "cannot be read" in told["record read back"]["detail"]
    assert "bare-1 is left, delete it by hand" in told["record deleted"]["detail"]
    assert json.loads(written.read_text().replace("'", '"')) == ["email", "name"]


def test_neither_set_up_nor_comparison_claims_that_all_is_well(written):
    done = run("destination", "setup", "crm")
    assert done.returncode == 1
    assert "neither tells which fields it has nor lets us make any" in done.stdout
    assert "does not tell which fields it has" in problem("mapping", "check", "--destination", "crm", code=1)
    assert not written.exists()
