"""Which of two files counts: the company's before the shipped one, file by file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.kit import registry
from connectors.kit.folders import company_folder, find_file, find_files, overridden_files, writable_folder
from connectors.kit.sources.samples import samples_of
from pipeline.errors import ConfigurationError as HouseError
from pipeline.settings.loading import load_settings
from tests.support.paths import ROOT

SOURCE = """from connectors.kit import Connector, Webhook

CONNECTOR = Connector(
    source="{slug}", title="{title}", owner="@us", docs_url="https://www.example.com/", intake=Webhook()
)
"""
DESTINATION = """from dataclasses import replace

from connectors.destinations.salesforce import DESTINATION as SHIPPED

DESTINATION = replace(SHIPPED, title="Our Salesforce")
"""


@pytest.fixture
def company(tmp_path, monkeypatch):
    """An empty folder of a company's own, in force; connectors are looked for anew before and after."""
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    registry.forget()
    registry.forget()
    yield tmp_path
    registry.forget()
    registry.forget()


def put(company: Path, path: str, text: str = "") -> Path:
    file = company / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_the_companys_folder_is_the_named_one_else_that_of_the_settings_file(tmp_path, monkeypatch):
    config = put(tmp_path, "settings/afluente.yaml")
    assert company_folder({"AFLUENTE_HOME": str(tmp_path), "AFLUENTE_CONFIG": str(config)}) == tmp_path
    assert company_folder({"AFLUENTE_CONFIG": str(config)}) == config.parent
    assert company_folder({"AFLUENTE_CONFIG": str(tmp_path / "absent.yaml")}) is None
    monkeypatch.chdir(tmp_path)
    assert company_folder({}) is None
    monkeypatch.chdir(config.parent)
    assert company_folder({}) == config.parent


def test_settings_are_read_from_the_named_folder_and_one_that_is_missing_is_said(tmp_path):
    put(tmp_path, "afluente.yaml", "brands: {casa: {region: ES}}\n")
    known = load_settings({"AFLUENTE_HOME": str(tmp_path)})
    assert (known.home, list(known.brands)) == (tmp_path, ["casa"])
    with pytest.raises(HouseError, match=r"AFLUENTE_HOME names .*absent.*afluente init"):
        load_settings({"AFLUENTE_HOME": str(tmp_path / "absent")})


def test_a_file_of_the_companys_counts_and_the_rest_is_as_shipped(company):
    own = put(company, "mappings/identity.yaml", "ours")
    put(company, "mappings/vocabularies/our_words.yaml")
    assert find_file("mappings/identity.yaml") == own
    assert find_file("mappings/survivorship.yaml") == ROOT / "mappings/survivorship.yaml"
    found = find_files("mappings/vocabularies", "*.yaml")
    assert found["our_words.yaml"].is_relative_to(company)
    assert found["zones.yaml"].is_relative_to(ROOT)
    assert list(found) == sorted(found)


def test_only_files_that_stand_in_both_are_overridden(company):
    assert overridden_files() == []
    for path in (
        "mappings/identity.yaml",
        "mappings/sources/ours.yaml",
        "samples/api/typical.json",
        "connectors/sources/web_form.py",
    ):
        put(company, path)
    put(company, "mappings/schema/source.json")  # for editors: nobody reads it here
    put(company, "README.md")
    assert overridden_files() == [
        "connectors/sources/web_form.py",
        "mappings/identity.yaml",
        "samples/api/typical.json",
    ]


def test_a_checkout_that_is_the_companys_folder_itself_overrides_nothing(monkeypatch):
    monkeypatch.setenv("AFLUENTE_HOME", str(ROOT))
    registry.forget()
    assert overridden_files() == []
    assert registry.sources()["web_form"].title == "Website form"
    assert writable_folder() == ROOT


def test_who_works_on_the_product_writes_into_the_checkout(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert writable_folder() == ROOT
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    assert writable_folder() == tmp_path


def test_samples_are_looked_up_one_by_one(company):
    put(company, "samples/web_form/typical.json", '{"ours": true}')
    put(company, "samples/web_form/second.json", "{}")
    samples = {sample.name: sample for sample in samples_of("web_form")}
    assert samples["typical"].body == b'{"ours": true}'
    assert samples["typical"].expected is not None, "the shipped one stands beside it, until ours is written"
    assert {"second", "hostile", "plain_post"} <= samples.keys()
    put(company, "samples/web_form/typical.expected.json", '{"email": "ours"}')
    assert samples_of("web_form")[0].expected == [{"email": "ours"}]


def test_a_module_of_the_companys_adds_a_source_or_takes_the_place_of_one(company):
    put(company, "connectors/sources/acme.py", SOURCE.format(slug="acme", title="Acme"))
    put(company, "connectors/sources/web_form.py", SOURCE.format(slug="web_form", title="Our form"))
    put(company, "connectors/sources/_draft.py", "not Python at all")
    put(company, "connectors/destinations/salesforce.py", DESTINATION)
    known = registry.sources()
    assert known["acme"].title == "Acme"
    assert known["web_form"].title == "Our form"
    assert known["api"].title == "HTTP API"
    assert registry.destination_types()["salesforce"].title == "Our Salesforce"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere_to_be_found\n", r"acme\.py, line 1: ModuleNotFoundError"),
        ("\nCONNECTOR = Conector()\n", r"acme\.py, line 2: NameError"),
        ("x = 1\nCONNECTOR = (\n", r"acme\.py, line 2: SyntaxError"),
        ("x = 1\n", r"acme\.py: has no constant CONNECTOR"),
        ("import sys\nsys.exit(3)\n", r"acme\.py, line 2: SystemExit"),
        ("\0", r"acme\.py: (SyntaxError|ValueError)"),
        (SOURCE.format(slug="other", title="Acme"), r"acme\.py: CONNECTOR\.source is 'other'; it must be 'acme'"),
    ],
)
def test_a_wrong_module_of_the_companys_is_named_with_its_line_and_stops_no_other_source(company, text, message):
    file = put(company, "connectors/sources/acme.py", text)
    assert "web_form" in registry.sources()
    assert "acme" not in registry.sources()
    assert re.search(message, registry.broken_sources()["acme"])
    assert str(file) in registry.broken_sources()["acme"]


def test_a_file_that_no_address_could_name_is_left_out_and_said(company):
    put(company, "connectors/sources/my-source.py", SOURCE.format(slug="my-source", title="Mine"))
    assert "my-source" not in registry.sources()
    assert "rename the file" in registry.broken_sources()["my-source"]
