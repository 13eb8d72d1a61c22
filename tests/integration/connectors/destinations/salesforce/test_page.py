"""What docs/salesforce.md has an admin make is what the mapping writes to, and what it shows is what is done."""

from __future__ import annotations

import re

from connectors.destinations.salesforce import DESTINATION
from connectors.destinations.salesforce.contacts import RENAMED
from connectors.sandbox.dialects.salesforce.rules import describe
from pipeline.stages.mapping.source_mapping import load_destination_mapping
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "salesforce.md").read_text(encoding="utf-8")


def rows_of(header: str) -> list[list[str]]:
    """The cells of the table with this header."""
    lines = PAGE.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(header)) + 2
    end = next(number for number in range(begin, len(lines)) if not lines[number].startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[begin:end]]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_the_page_makes_the_fields_that_the_mapping_writes_to_and_the_key():
    written = {rule.name for rule in load_destination_mapping("salesforce").declaration.fields}
    key = next(option.default for option in DESTINATION.options if option.name == "external_id_field")
    made = {names_in(row[0])[0]: row[1] for row in rows_of("| API name | type |")}
    assert set(made) == {name for name in written if name.endswith("__c")} | {key}
    known = {field["name"]: field["type"] for field in describe("Lead")["fields"]}
    kinds = {"string": "Text", "datetime": "Date/Time"}
    assert {name: kinds[known[name]] for name in made} == made, "the sandbox has the same"


def test_each_option_and_secret_is_on_the_page():
    options = {name for row in rows_of("| option | meaning |") for name in names_in(row[0])}
    assert options == {option.name for option in DESTINATION.options}
    assert set(DESTINATION.secrets) <= set(names_in(PAGE))


def test_the_table_of_names_is_that_of_the_writer():
    shown = {
        lead: contact
        for row in rows_of("| lead | contact |")
        for lead, contact in zip(names_in(row[0]), names_in(row[1]), strict=True)
    }
    assert shown == RENAMED
