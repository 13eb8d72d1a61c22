r"""Connectors and mappings read one language of paths: what a declaration finds, a mapping finds, and the reverse."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit import ConfigurationError
from connectors.kit.paths import compile_path, get_path
from pipeline.authoring.mapping_schema import schema_text
from pipeline.stages.mapping.decided_paths import DecidedPaths
from pipeline.stages.mapping.source_mapping import read_source_mapping
from pipeline.stages.paths import compile_first
from tests.support.mapped_records import map_record

RECORD = {
    "a.b": "one key",
    "a": {"b": "two keys", "c.d": "a key below"},
    "answers": [{"name": "first"}, {"name": "last", "v1.2": ["x", "y"]}],
    "list[0]": "a title",
    "Tel. 1": "600",
    "Land\\Region": "Murcia",
    "either\\.way": "as it is written",
    "either.way": "as it is meant",
    "end\\": {"x": "after a backslash"},
}
PATHS = [
    (r"a\.b", "one key"),
    ("a.b", "one key"),
    (r"a.c\.d", "a key below"),
    ("a.c.d", "a key below"),
    ("answers[-1].name", "last"),
    ("answers[-2].name", "first"),
    ("answers[-3].name", None),
    (r"answers[name=last].v1\.2[-1]", "y"),
    (r"list\[0\]", "a title"),
    ("Tel. 1", "600"),
    (r"Tel\. 1", "600"),
    ("Land\\Region", "Murcia"),
    (r"either\.way", "as it is written"),
    (r"end\\.x", "after a backslash"),
]


@pytest.mark.parametrize(("path", "value"), PATHS)
def test_a_connector_and_a_mapping_find_the_same(path, value):
    assert get_path(RECORD, path) == value
    assert compile_path(path)(RECORD) == value
    assert compile_first([path])(RECORD) == value
    assert compile_first(["nothing", path])(RECORD) == value


@pytest.mark.parametrize(
    ("path", "field"), [(r"answers[-1].v1\.2[0]", "x"), ("answers[-1].name", "last"), (r"a\.b", "one key")]
)
def test_a_mapping_file_says_so_and_its_schema_agrees(tmp_path, path, field):
    mapping = tmp_path / "own.yaml"
    mapping.write_text(f"source: own\nversion: 1\nlead:\n  city: {{from: '{path}'}}\n", encoding="utf-8")
    assert map_record(read_source_mapping(mapping), RECORD).fields["city"] == field


@pytest.mark.parametrize("path", ["", ".", "a.", "a..b", "a[", "a[]", "a]b", "a[=b]", "a[0]b", "a[-]", r"a\[0]"])
def test_what_is_no_path_is_none_to_either(path):
    with pytest.raises(ConfigurationError, match="cannot be read at character"):
        get_path(RECORD, path)
    with pytest.raises(ConfigurationError, match="cannot be read at character"):
        compile_path(path)


@given(st.text(alphabet=r"ab.[]\=-01", min_size=1, max_size=12))
def test_both_agree_on_any_text_and_an_editor_accepts_what_they_read(text):
    pattern = json.loads(schema_text("source"))["definitions"]["path"]["pattern"]
    try:
        get = compile_path(text)
    except ConfigurationError:
        assert not _matches(pattern, text)
        with pytest.raises(ConfigurationError):
            get_path(RECORD, text)
        return
    assert _matches(pattern, text)
    assert get(RECORD) == get_path(RECORD, text)


def test_the_last_entry_of_a_list_is_decided_about_and_the_others_are_not():
    decided = DecidedPaths(["answers[-1].name", "one[0].a", "one[-1].b", r"v1\.2"])
    record = {"answers": [{"name": "x"}, {"name": "y", "note": "z"}], "one": [{"a": 1, "b": 2, "c": 3}], "v1.2": "w"}
    assert decided.rest(record) == {"answers[0]": {"name": "x"}, "answers[1].note": "z", "one[0].c": 3}
    assert decided.covers(r"v1\.2")


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None
