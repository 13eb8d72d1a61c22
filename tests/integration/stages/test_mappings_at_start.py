"""A worker has every mapping from its start on: one that is spoiled later is not needed for a source's first lead."""

from __future__ import annotations

import pytest

from pipeline import app
from pipeline.errors import ConfigurationError
from pipeline.stages.mapping import source_mapping
from pipeline.stages.mapping.source_mapping import SOURCE_MAPPINGS, load_source_mapping
from pipeline.stages.mappings_in_force import refresh_source_mappings
from pipeline.stages.reloading import Reloading
from pipeline.values.yaml_files import MAPPINGS
from tests.support.services import forget_caches


@pytest.fixture
def own_mapping(tmp_path, monkeypatch):
    """A company's own file for `web_form`, in a process that has read none yet."""
    file = tmp_path / "mappings" / "sources" / "web_form.yaml"
    file.parent.mkdir(parents=True)
    file.write_text((MAPPINGS / "sources" / "web_form.yaml").read_text())
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    forget_caches()
    for name in ("_stamps", "_compiled", "_wrong"):
        monkeypatch.setattr(SOURCE_MAPPINGS, name, {})
    assert isinstance(SOURCE_MAPPINGS, Reloading)
    assert source_mapping.SOURCE_MAPPINGS is SOURCE_MAPPINGS
    yield file
    forget_caches()


@pytest.mark.usefixtures("redis_url")
def test_a_mapping_spoiled_before_a_sources_first_lead_leaves_the_version_of_the_start(own_mapping):
    app._read_rules()
    own_mapping.write_text("version: [")
    refresh_source_mappings(["web_form"])
    assert load_source_mapping("web_form").version.startswith("web_form@")


def test_without_that_it_would_be_missing(own_mapping):
    own_mapping.write_text("version: [")
    refresh_source_mappings(["web_form"])
    with pytest.raises(ConfigurationError):
        load_source_mapping("web_form")


@pytest.mark.usefixtures("redis_url")
def test_a_mapping_that_is_wrong_at_the_start_stops_no_worker(own_mapping):
    own_mapping.write_text("version: [")
    app._read_rules()
