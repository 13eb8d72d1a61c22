"""What docs/hubspot.md has an admin make is what the mapping writes to, and the sandbox takes it."""

from __future__ import annotations

import json
import re

from connectors.destinations.hubspot import DESTINATION
from connectors.sandbox.dialects.hubspot.properties import standard_properties
from pipeline.stages.mapping.source_mapping import load_destination_mapping
from tests.support.hubspot_crm import by_hand
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "hubspot.md").read_text(encoding="utf-8")
PROPERTIES = json.loads(next(iter(re.findall(r"^```json\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL))))["inputs"]


def shown(known):
    return (known["name"], known["label"], known["type"], known["fieldType"], known.get("hasUniqueValue", False))


def test_the_page_makes_the_properties_that_the_mapping_writes_to_and_the_key():
    written = {rule.name for rule in load_destination_mapping("hubspot").declaration.fields}
    key = next(option.default for option in DESTINATION.options if option.name == "external_id_property")
    made = {known["name"] for known in PROPERTIES}
    assert made == {name for name in written if name.startswith("afluente_")} | {key}
    assert [known["name"] for known in PROPERTIES if known.get("hasUniqueValue")] == [key]


def test_the_table_says_what_the_file_does():
    rows = [
        [cell.strip(" `*") for cell in line.split("|")[1:-1]]
        for line in PAGE.splitlines()
        if line.startswith("| `afluente_")
    ]
    assert [(*row[:4], row[4] == "true") for row in rows] == [shown(known) for known in PROPERTIES]


def test_the_sandbox_has_the_same():
    known = standard_properties()
    assert [shown(known[wanted["name"]].shown()) for wanted in PROPERTIES] == [shown(wanted) for wanted in PROPERTIES]


def test_all_are_made_by_one_call(hubspot):
    renamed = [{**wanted, "name": f"own_{wanted['name']}"} for wanted in PROPERTIES]
    answer = by_hand(hubspot, "POST", "/crm/v3/properties/contacts/batch/create", {"inputs": renamed})
    assert answer.status_code == 201
    assert [shown(made) for made in answer.json()["results"]] == [shown(wanted) for wanted in renamed]


def test_each_option_and_secret_is_on_the_page():
    names = {option.name for option in DESTINATION.options} | set(DESTINATION.secrets)
    assert names <= set(re.findall(r"\w+", PAGE))
