"""mappings/survivorship.yaml: read as it says, and refused with file, place, value and what is allowed."""

from __future__ import annotations

import pytest

from pipeline.canonical import PERSON_FIELDS
from pipeline.errors import ConfigurationError
from pipeline.stages.survivorship.rules import (
    LAST_RESORTS,
    STRATEGIES,
    GoldenRule,
    read_survivorship,
    survivorship_rules,
)
from pipeline.values.yaml_files import MAPPINGS


def read(tmp_path, text):
    path = tmp_path / "survivorship.yaml"
    path.write_text(text, encoding="utf-8")
    return read_survivorship(path)


def test_every_golden_field_has_a_rule():
    assert {*survivorship_rules().fields, "other_emails", "other_phones"} == set(PERSON_FIELDS)


def test_a_field_that_is_not_named_follows_the_default(tmp_path):
    rules = read(
        tmp_path, "version: 1\ndefault: most_frequent\nfields: {city: oldest, email: {source_priority: crm}}\n"
    )
    assert rules.fields["city"] == GoldenRule("oldest")
    assert rules.fields["country"] == GoldenRule("most_frequent")
    assert rules.fields["email"] == GoldenRule("most_frequent", {"crm": 0})


def test_nothing_but_a_version_means_that_the_newest_survives(tmp_path):
    rules = read(tmp_path, "version: 3\n")
    assert all(rule == GoldenRule() for rule in rules.fields.values())
    assert rules.version.startswith("survivorship@3+")


def test_all_that_can_be_said_of_one_field(tmp_path):
    text = "version: 1\nfields: {email: {keep: oldest, source_priority: [a, b], last_resort: [role, misspelled]}}\n"
    assert read(tmp_path, text).fields["email"] == GoldenRule("oldest", {"a": 0, "b": 1}, ("role", "misspelled"))


@pytest.mark.parametrize("keep", STRATEGIES)
def test_every_strategy_may_be_said_of_a_text(tmp_path, keep):
    assert read(tmp_path, f"version: 1\nfields: {{company: {keep}}}\n").fields["company"].keep == keep


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("version: 0\n", ["version", "0"]),
        ("fields: {}\n", ["version", "None"]),
        ("version: 1\nrules: {}\n", ["rules", "default, fields, version"]),
        ("version: 1\ndefault: latest\n", ["default", "'latest'", "newest, oldest"]),
        ("version: 1\ndefault: longest\n", ["default", "'longest'", "texts only"]),
        ("version: 1\ndefault: locked_by_crm\n", ["default", "write: once"]),
        ("version: 1\nfields: [city]\n", ["fields", "key: value"]),
        ("version: 1\nfields: {town: newest}\n", ["fields.town", "city"]),
        ("version: 1\nfields: {comapny: newest}\n", ["fields.comapny", "did you mean company?"]),
        ("version: 1\nfields: {utm_source: newest}\n", ["fields.utm_source", "is not known"]),
        ("version: 1\nfields: {external_id: newest}\n", ["fields.external_id", "is not known"]),
        ("version: 1\nfields: {other_emails: newest}\n", ["fields.other_emails", "`email`", "every address is kept"]),
        ("version: 1\nfields: {other_phones: newest}\n", ["fields.other_phones", "`phone`"]),
        ("version: 1\nfields: {city: first}\n", ["fields.city.keep", "'first'", "best_spelled"]),
        ("version: 1\nfields: {city: }\n", ["fields.city.keep", "None"]),
        ("version: 1\nfields: {city: 3}\n", ["fields.city.keep", "3"]),
        ("version: 1\nfields: {city: [newest]}\n", ["fields.city.keep", "newest"]),
        ("version: 1\nfields: {city: {strategy: newest}}\n", ["fields.city.strategy", "keep"]),
        ("version: 1\nfields: {city: locked_by_crm}\n", ["fields.city.keep", "read back from the CRM", "write: once"]),
        (
            "version: 1\nfields: {employee_count: longest}\n",
            ["fields.employee_count.keep", "newest, oldest, most_freq"],
        ),
        ("version: 1\nfields: {email: best_spelled}\n", ["fields.email.keep", "'best_spelled'"]),
        ("version: 1\nfields: {phone: most_complete}\n", ["fields.phone.keep", "'most_complete'"]),
        ("version: 1\nfields: {city: {source_priority: []}}\n", ["fields.city.source_priority", "no source"]),
        ("version: 1\nfields: {city: {source_priority: [a, a]}}\n", ["fields.city.source_priority", "twice"]),
        ("version: 1\nfields: {city: {source_priority: [1]}}\n", ["fields.city.source_priority[0]", "1"]),
        ("version: 1\nfields: {city: {last_resort: [role]}}\n", ["fields.city.last_resort", "email and phone"]),
        (
            "version: 1\nfields: {email: {last_resort: [landline]}}\n",
            ["fields.email.last_resort[0]", "role, placeholder"],
        ),
        ("version: 1\nfields: {phone: {last_resort: [role]}}\n", ["fields.phone.last_resort[0]", "landline"]),
        ("version: 1\nfields: {city: newest, city: oldest}\n", ["'city' stands twice"]),
        ("version: 1\nfields: {city\n", ["line"]),
    ],
)
def test_a_broken_file_says_where_what_and_what_is_allowed(tmp_path, text, named):
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    for part in ("survivorship.yaml", *named):
        assert part in str(caught.value)


def test_the_page_names_every_word_of_the_file():
    page = (MAPPINGS.parent / "docs" / "golden-record.md").read_text(encoding="utf-8")
    words = {
        *STRATEGIES,
        *(kind for kinds in LAST_RESORTS.values() for kind in kinds),
        "source_priority",
        "last_resort",
    }
    assert [word for word in sorted(words) if f"`{word}`" not in page] == []


def test_a_field_of_ones_own_has_a_rule_of_its_own_or_the_default_as_far_as_it_fits(tmp_path):
    text = "version: 1\ndefault: most_frequent\nfields: {custom.size: {keep: oldest, source_priority: crm}}\n"
    rules = read(tmp_path, text)
    assert rules.of("custom.size") == GoldenRule("oldest", {"crm": 0})
    assert rules.of("custom.topics") == GoldenRule("newest")
    assert read(tmp_path, "version: 1\ndefault: oldest\n").of("custom.topics") == GoldenRule("oldest")
    only_source = read(tmp_path, "version: 1\ndefault: most_frequent\nfields: {custom.size: {source_priority: crm}}\n")
    assert only_source.of("custom.size") == GoldenRule("newest", {"crm": 0})


@pytest.mark.parametrize("keep", ["longest", "most_frequent", "best_spelled"])
def test_what_needs_a_text_cannot_be_said_of_a_field_of_ones_own(tmp_path, keep):
    with pytest.raises(ConfigurationError, match=r"fields\.custom\.size\.keep: .*newest, oldest"):
        read(tmp_path, f"version: 1\nfields: {{custom.size: {keep}}}\n")
