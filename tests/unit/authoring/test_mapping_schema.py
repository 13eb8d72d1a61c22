"""Editors know what the reader knows: the schemas are up to date, accept every mapping and refuse what it refuses."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.authoring.mapping_schema import KINDS, schema_text
from pipeline.stages.mapping.language import SCHEMA_LINE
from pipeline.values.yaml_files import MAPPINGS
from tests.unit.stages.mapping.test_errors import BROKEN_DESTINATIONS, BROKEN_SOURCES, HEAD, LEAD

SCHEMAS = {kind: json.loads(schema_text(kind)) for kind in KINDS}
MAPPING_FILES = sorted((MAPPINGS / "sources").glob("*.yaml")) + sorted((MAPPINGS / "destinations").glob("*.yaml"))

# What only the reader can know: files, other parts of the mapping, the world.
BEYOND_A_SCHEMA = (
    "no rule reads it",
    "stands for 'mail' already",
    "neither letters nor digits",
    "mail.NAME",
    "reads no evidence",
    "line 4",
    "line ",
    "'Warm'",
    "did you mean Cold?",
    "'other'",
    "'acme'",
    "the same word",
    "no date format",
    "names no year",
)


def problems(kind: str, content: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(SCHEMAS[kind]).iter_errors(content)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_editors_read_is_what_the_reader_says_now(kind):
    jsonschema.Draft7Validator.check_schema(SCHEMAS[kind])
    file = MAPPINGS / "schema" / f"{kind}.json"
    assert file.read_text(encoding="utf-8") == schema_text(kind), (
        f"make it anew: afluente mapping schema {kind} > mappings/schema/{kind}.json"
    )


@pytest.mark.parametrize("path", MAPPING_FILES, ids=lambda path: path.stem)
def test_every_mapping_fits_its_schema_and_names_it(path):
    kind = path.parent.name.removesuffix("s")
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == SCHEMA_LINE.replace("source.json", f"{kind}.json")
    assert problems(kind, yaml.safe_load(text)) == []


def told_by_a_schema(table):
    return [(text, named) for text, named in table if not any(part in BEYOND_A_SCHEMA for part in named)]


@pytest.mark.parametrize(("text", "named"), told_by_a_schema(BROKEN_SOURCES))
def test_what_the_reader_refuses_in_a_source_the_schema_refuses(text, named):
    assert problems("source", yaml.safe_load(text)), named


@pytest.mark.parametrize(("text", "named"), told_by_a_schema(BROKEN_DESTINATIONS))
def test_what_the_reader_refuses_in_a_destination_the_schema_refuses(text, named):
    assert problems("destination", yaml.safe_load(text)), named


@pytest.mark.parametrize(
    "rule",
    ["occurred_at: {from: a, as: date, zone: Europe/Madird}", "industry: {from: a, vocabulary: industris}"],
)
def test_a_misspelt_name_of_something_that_exists_is_told_by_the_schema(rule):
    assert problems("source", yaml.safe_load(HEAD + f"lead: {{{rule}}}\n"))


def test_nearly_all_broken_mappings_are_told_by_the_schema():
    """The list of what no schema can say may not become an excuse."""
    told = len(told_by_a_schema(BROKEN_SOURCES)) + len(told_by_a_schema(BROKEN_DESTINATIONS))
    assert told >= 0.75 * (len(BROKEN_SOURCES) + len(BROKEN_DESTINATIONS))


GOOD_SOURCES = [
    LEAD,
    HEAD + "canonical: true\n",
    HEAD + "canonical: true\nflatten: data\naliases: {name: full_name}\n",
    HEAD + "lead: {email: {from: [a, b.c, 'd[0]', 'e[k=v].f[1]', Tel. 1], required: true, default: x}}\n",
    HEAD + "lead: {language: {constant: es}}\n",
    HEAD + "lead: {occurred_at: {from: a, as: date, formats: '%d.%m.%Y', zone: Europe/Madrid, order: dmy}}\n",
    HEAD + "lead: {employee_count: {from: a, decimal: ','}}\n",
    HEAD + "lead: {other_emails: {from: a, separator: '|'}}\n",
    HEAD + "lead: {product_interest: {from: a, as: list, separator: ' '}}\n",
    HEAD + "lead: {industry: {from: a, vocabulary: industries}}\n",
    HEAD + "lead: {phone: {from: a, region_from: b}}\n",
    HEAD + "touch: {utm_source: {from: a, values: {fb: facebook, 1: x}}}\n",
    LEAD + "headers: {mail: E-mail}\n",
    LEAD + "lists: [{at: a.b, name: [n, m], values: [v, w.x], ignored: label}]\n",
    LEAD + "earlier_touches: [{at: {from: x, order: dmy}, page_url: [y, z]}]\n",
    LEAD + "consent: {a: {from: x, at: {from: [y, z], formats: '%d/%m/%Y', zone: Europe/Madrid, order: dmy}}}\n",
    LEAD + "consent: {a: x, b: {purpose: p, channel: c, from: [y], values: {ok: true}, at: z, policy_version: v}}\n",
    LEAD + "suppress: {spam: [{from: hp}, {from: ms, below: 2000}], test: [{from: t, when: true}]}\n",
    LEAD + "custom: {shoe_size: x, topics: {from: [y, z], as: list}, since: {from: a, as: date, order: dmy}}\n",
    LEAD + "region: ES\nkept: a\nignored: [b, c.d]\n",
]


@pytest.mark.parametrize("text", GOOD_SOURCES)
def test_what_the_reader_takes_the_schema_takes(tmp_path, text):
    from pipeline.stages.mapping.source_mapping import read_source_mapping

    path = tmp_path / "acme.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_source_mapping(path)
    assert problems("source", yaml.safe_load(text)) == []


GOOD_FIELDS = [
    "email",
    "[full_name, email_local_part]",
    "{constant: Lead}",
    "{from: employee_count, as: integer, digits: 8, at_least: 0, at_most: 1000000}",
    "{from: other_emails, as: list, separator: ;, max: 99, too_long: truncate}",
    "{from: industry, as: picklist, picklist: [A, B], values: {x: A, y: ''}, default: b, unlisted: default}",
    "{from: original_at, as: datetime, write: once}",
    "{from: original_campaign, write: once, when_empty: clear}",
    "[original_gclid, latest_li_fat_id, custom.shoe_size]",
    "{from: consent.marketing.email, as: boolean, values: {granted: true, denied: false, withdrawn: false}}",
    "{from: consent.loyalty club.any.at, as: datetime, when_empty: clear}",
    "{from: merged_into, max: 36, when_empty: clear}",
]


@pytest.mark.parametrize("field", GOOD_FIELDS)
def test_what_the_reader_takes_of_a_crm_field_the_schema_takes(tmp_path, field):
    from pipeline.stages.destination_mapping.mapping import read_destination_mapping

    text = f"destination: acme\nversion: 1\nfields: {{A: {field}}}\n"
    path = tmp_path / "acme.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_destination_mapping(path)
    assert problems("destination", yaml.safe_load(text)) == []
