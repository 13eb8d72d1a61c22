"""Every mapping and vocabulary is sound, and the page for people who write them says what the code knows."""

from __future__ import annotations

import re

import pycountry
import pytest

from connectors.kit.registry import destination_types, sources
from pipeline.canonical import CANONICAL_FIELDS, CLICK_IDS, LEAD_FIELDS, TOUCH_DETAILS, TOUCH_FIELDS, UTM_FIELDS
from pipeline.stages.attribution.channels import CHANNELS, channel_of
from pipeline.stages.destination_mapping import declarations
from pipeline.stages.mapping import language as mapping_language
from pipeline.stages.mapping.source_mapping import load_destination_mapping, load_source_mapping
from pipeline.values.places.countries import country_code
from pipeline.values.vocabularies import aliases, source_categories, vocabulary
from pipeline.values.yaml_files import MAPPINGS
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
SOURCES = sorted(path.stem for path in (MAPPINGS / "sources").glob("*.yaml"))
DESTINATIONS = sorted(path.stem for path in (MAPPINGS / "destinations").glob("*.yaml"))


@pytest.mark.parametrize("slug", SOURCES)
def test_every_source_mapping_is_sound_and_belongs_to_a_source(slug):
    assert load_source_mapping(slug).version.startswith(f"{slug}@")
    assert slug in sources()


def test_every_source_has_a_mapping():
    assert set(sources()) <= set(SOURCES)


@pytest.mark.parametrize("name", DESTINATIONS)
def test_every_destination_mapping_is_sound_and_belongs_to_a_kind_of_crm(name):
    assert load_destination_mapping(name).version.startswith(f"{name}@")
    assert name in destination_types()


def test_every_kind_of_crm_has_a_mapping():
    assert set(destination_types()) <= set(DESTINATIONS)


@pytest.mark.parametrize("name", sorted(destination_types()))
def test_a_mapping_marks_merged_people_if_the_crm_can_be_marked(name):
    marks = [rule.name for rule in load_destination_mapping(name).declaration.fields if rule.is_mark]
    assert len(marks) == (destination_types()[name].merge == "mark")


@pytest.mark.parametrize("name", DESTINATIONS)
def test_no_destination_lets_the_crm_overwrite_the_original_source(name):
    """Original and latest source go to fields of their own: what was first is never written by what was last."""
    rules = load_destination_mapping(name).declaration.fields
    original = {rule.name for rule in rules if any(source.startswith("original_") for source in rule.sources)}
    latest = {rule.name for rule in rules if any(source.startswith("latest_") for source in rule.sources)}
    assert original
    assert not original & latest


def test_the_canonical_names_are_those_that_outsiders_rely_on():
    person = """
        external_id occurred_at region first_name last_name full_name email other_emails phone other_phones
        company website job_title industry employee_count employee_range street city state postal_code country language
        linkedin_url whatsapp_id message product_interest
    """
    added = {"submission_id"}
    assert set(LEAD_FIELDS) - added == set(person.split())
    promised = {"page_url", "referrer", *UTM_FIELDS, *CLICK_IDS, *TOUCH_DETAILS}
    assert set(TOUCH_FIELDS) - promised == {"reported_source"}
    assert set(TOUCH_FIELDS) >= promised
    assert len(CANONICAL_FIELDS) == len(LEAD_FIELDS) + len(TOUCH_FIELDS)


def test_the_page_names_every_canonical_field_and_every_word_of_the_language():
    words = {word for span in re.findall(r"`([^`\n]+)`", PAGE) for word in re.findall(r"[a-z_0-9]+", span)}
    block = set(re.findall(r"[a-z_0-9]+", "".join(re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL))))
    language = {
        *mapping_language.SOURCE_KEYS,
        *mapping_language.FIELD_KEYS,
        *mapping_language.LIST_KEYS,
        *mapping_language.EARLIER_TOUCH_KEYS,
        *mapping_language.CONSENT_KEYS,
        *mapping_language.SUPPRESS_KEYS,
        *mapping_language.DATE_ORDERS,
        *declarations.DESTINATION_KEYS,
        *declarations.TYPES,
        *declarations.UNLISTED,
        *declarations.WHEN_EMPTY,
    }
    assert set(CANONICAL_FIELDS) <= words
    assert language <= words | block


def test_the_page_names_every_vocabulary_and_no_other():
    assert set(re.findall(r"`([a-z0-9_]+\.(?:yaml|csv))`", PAGE.partition("## Vocabularies")[2])) == {
        path.name for path in (MAPPINGS / "vocabularies").iterdir()
    }


@pytest.mark.parametrize("name", ["booleans", "industries"])
def test_no_spelling_stands_for_two_things(name):
    assert aliases(name)


def test_every_alias_of_a_country_means_that_country():
    for code, names in vocabulary("countries").items():
        assert code == "XK" or pycountry.countries.get(alpha_2=code) is not None  # Kosovo: no code of ISO's
        for name in names:
            assert country_code(name) == code


def test_every_reported_source_has_a_source_a_medium_and_a_channel():
    for name, entry in vocabulary("reported_sources").items():
        assert set(entry) == {"source", "medium"}, name
        assert channel_of(entry["source"], entry["medium"]) in CHANNELS


def test_the_lists_of_traffic_sources_are_whole():
    categories = source_categories()
    assert len(categories) > 800
    assert set(categories.values()) == {"search", "shopping", "social", "video"}


@pytest.mark.parametrize("path", sorted((MAPPINGS / "vocabularies").iterdir()), ids=lambda path: path.name)
def test_every_vocabulary_begins_with_what_it_is_and_where_it_is_from(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    if path.suffix == ".csv" or path.stem in ("search_engines", "social_networks", "ai_assistants"):
        assert "Origin:" in first
        assert "MIT" in first or "CC0" in first


@pytest.mark.parametrize("name", DESTINATIONS)
def test_every_field_made_from_what_was_first_is_written_once(name):
    rules = load_destination_mapping(name).declaration.fields
    made_of_first = [rule for rule in rules if any(source.startswith("original_") for source in rule.sources)]
    assert [rule.name for rule in made_of_first if not rule.is_once] == []
