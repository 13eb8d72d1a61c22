"""What a destination's mapping may name beside golden values: facts of touches, answers about consent, own fields."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from pipeline.canonical import CLICK_IDS, DESTINATION_SOURCES, TOUCH_FIELDS
from pipeline.errors import ConfigurationError
from pipeline.stages.destination_mapping.mapping import load_destination_mapping, map_person, read_destination_mapping
from pipeline.stages.destination_mapping.names import (
    ConsentName,
    Named,
    TouchName,
    all_named,
    named_in,
    problem_of,
    touch_names,
)
from pipeline.values.yaml_files import MAPPINGS

PERSON = UUID(int=7)
EXAMPLE = re.compile(r"^  # (\w+: +\{)", re.MULTILINE)


def read(folder, *fields):
    path = folder / "acme.yaml"
    path.write_text("destination: acme\nversion: 1\nfields:\n" + "".join(f"  {field}\n" for field in fields))
    return read_destination_mapping(path)


def test_every_field_of_a_touch_can_be_named_or_its_refusal_says_what_is_kept_of_it():
    for end in ("original", "latest"):
        for field in (*TOUCH_FIELDS, *CLICK_IDS):
            problem = problem_of(f"{end}_{field}")
            assert problem is None or "what is kept of it is" in problem
        for fact in (
            "gclid",
            "li_fat_id",
            "campaign_id",
            "ad_group_name",
            "form_name",
            "partner",
            "utm_term",
            "medium",
        ):
            assert touch_names()[f"{end}_{fact}"] == TouchName(f"{end}_{fact}", end, fact)
    assert not set(touch_names()) & set(DESTINATION_SOURCES)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("orignal_gclid", ["did you mean original_gclid?", "original_ and latest_ before", "custom.NAME"]),
        ("gclid", ["is of a touch", "original_gclid or latest_gclid"]),
        ("campaign", ["original_campaign or latest_campaign"]),
        ("page_url", ["original_landing_path or latest_landing_path"]),
        ("latest_page_url", ["latest_landing_path"]),
        ("original_referrer", ["original_referrer_host"]),
        ("custom.", ["custom.NAME", "`custom` of a source"]),
        ("custom.Shoe Size", ["'custom.Shoe Size'", "custom.NAME"]),
        ("consent.marketing", ["names no question", "consent.PURPOSE.CHANNEL"]),
        ("consent.marketing.email.when", ["'when'", ".at, .source, .policy_version"]),
        ("consent.marketing.email.att", ["did you mean at?"]),
        ("consent.marketing.email.at.at", ["names no question"]),
        ("consent.marketing[0].email", ["names no question"]),
        ("consent..email", ["names no question"]),
        ("consent. .email", ["names no question"]),
    ],
)
def test_an_unknown_name_is_refused_with_file_place_value_what_is_allowed_and_the_nearest(tmp_path, name, said):
    with pytest.raises(ConfigurationError) as told:
        read(tmp_path, f"A: {{from: {name!r}}}")
    for part in ("acme.yaml: fields.A.from", name, *said):
        assert part in str(told.value)


def test_only_what_is_named_is_asked_for(tmp_path):
    assert not read(tmp_path, "A: email", "B: [original_source, custom.shoe_size]", "C: touches").named
    mapping = read(tmp_path, "A: [latest_gclid, original_fbclid]", "B: consent.marketing.email.at", "C: latest_gclid")
    assert [touch.name for touch in mapping.named.touches] == ["latest_gclid", "original_fbclid"]
    assert mapping.named.consents == (ConsentName("consent.marketing.email.at", "marketing", "email", "at"),)


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("consent.marketing.email", ("marketing", "email", "")),
        ("consent.Advertising.E-Mail.source", ("marketing", "email", "source")),
        ("consent.loyalty club.any", ("loyalty club", "any", "")),
        (r"consent.v1\.2.email", ("v1.2", "email", "")),
    ],
)
def test_words_about_consent_are_the_ones_that_sources_have_for_them(name, question):
    assert problem_of(name) is None
    assert named_in([name]).consents == (ConsentName(name, *question),)


def test_what_several_mappings_name_is_asked_for_once():
    one, other = named_in(["latest_gclid", "consent.a.b"]), named_in(["latest_gclid", "latest_partner"])
    assert all_named([one, other, Named()]) == named_in(["latest_gclid", "latest_partner", "consent.a.b"])
    assert not all_named([])


def test_named_values_become_fields_of_their_types_and_what_is_missing_is_left_out_or_cleared(tmp_path):
    mapping = read(
        tmp_path,
        "Size: {from: custom.shoe_size, as: number}",
        "Topics: {from: custom.topics, as: list, separator: ;}",
        "Opt_In: {from: consent.marketing.email, as: boolean, values: {granted: true, withdrawn: false}}",
        "Since: {from: consent.marketing.email.at, as: date}",
        "Gclid: {from: latest_gclid, when_empty: clear}",
        "First: {from: [original_gclid, original_msclkid]}",
    )
    values = {"custom.shoe_size": 43.5, "custom.topics": ["a", "b"]}
    facts = {"consent.marketing.email": "withdrawn", "original_msclkid": "m-1"}
    facts |= {"consent.marketing.email.at": datetime(2026, 3, 2, tzinfo=UTC)}
    assert map_person(mapping, PERSON, values, facts).fields == {
        "Size": 43.5,
        "Topics": "a;b",
        "Opt_In": False,
        "Since": "2026-03-02",
        "Gclid": None,
        "First": "m-1",
    }
    assert map_person(mapping, PERSON, {}, {}, emptied=["custom.shoe_size"]).fields == {"Gclid": None, "Size": None}


def test_the_examples_in_a_shipped_mapping_are_read_once_their_mark_is_taken_away(tmp_path):
    text = (MAPPINGS / "destinations" / "salesforce.yaml").read_text(encoding="utf-8")
    path = tmp_path / "salesforce.yaml"
    path.write_text(EXAMPLE.sub(r"  \1", text), encoding="utf-8")
    mapping, shipped = read_destination_mapping(path), load_destination_mapping("salesforce")
    assert len(mapping.declaration.fields) - len(shipped.declaration.fields) == len(EXAMPLE.findall(text)) > 10
    assert mapping.named
    assert not shipped.named
