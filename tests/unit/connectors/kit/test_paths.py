"""Paths into records as connectors declare them."""

from __future__ import annotations

import pytest

from connectors.kit import ConfigurationError
from connectors.kit.paths import get_path

RECORD = {
    "data": {"lead": {"email": "a"}, "zero": 0, "empty": "", "nothing": None},
    "answers": [{"name": "phone", "values": ["1"]}, {"name": "email", "values": ["2", "3"]}, "text"],
    "1.3": "dotted",
}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("data.lead.email", "a"),
        ("data.zero", 0),
        ("data.empty", ""),
        ("answers[1].values[0]", "2"),
        ("answers[-1]", "text"),
        ("answers[name=email].values[1]", "3"),
        (r"1\.3", "dotted"),
        (None, RECORD),
    ],
)
def test_a_path_finds_its_value(path, wanted):
    assert get_path(RECORD, path) == wanted


@pytest.mark.parametrize(
    "path",
    ["data.lead.phone", "data.lead.email.domain", "answers[9]", "answers.name", "answers[name=fax].values", "data[0]"],
)
def test_a_missing_step_gives_the_default(path):
    assert get_path(RECORD, path, "default") == "default"


def test_a_null_is_found_and_not_taken_for_missing():
    assert get_path(RECORD, "data.nothing", "default") is None


@pytest.mark.parametrize("path", ["a..b", "a[", "a[x]", ".a"])
def test_a_path_that_cannot_be_read_is_a_configuration_error(path):
    with pytest.raises(ConfigurationError, match="cannot be read at character"):
        get_path(RECORD, path)
