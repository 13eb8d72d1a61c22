"""The reader of the weights says what is wrong in the file, and where."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from pipeline.errors import ConfigurationError
from pipeline.identity.matching.rules import WEIGHTS, identity_rules, read_rules
from pipeline.values.vocabularies import vocabulary
from pipeline.values.yaml_files import MAPPINGS


def changed(tmp_path: Path, **changes: object) -> Path:
    """The file in force with some of its keys replaced; `None` drops one."""
    content = {**yaml.safe_load((MAPPINGS / "identity.yaml").read_text(encoding="utf-8")), **changes}
    path = tmp_path / "identity.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in content.items() if value is not None}))
    return path


def weights(**changes: object) -> dict[str, object]:
    return {**identity_rules().weights, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": None}, "must hold exactly alike, certain, crowded"),
        ({"weights": None}, "must hold exactly"),
        ({"thresholds": None}, "must hold exactly"),
        ({"crowded": None}, "must hold exactly"),
        ({"extra": 1}, "must hold exactly"),
        ({"version": "one"}, "version: 'one' is not a whole number"),
        ({"version": 1.5}, "version: 1.5 is not a whole number"),
        ({"version": True}, "version: True is not a whole number"),
        ({"certain": "much"}, "certain: 'much' is not a number"),
        ({"certain": math.nan}, "certain: nan is not a number"),
        ({"certain": math.inf}, "certain: inf is not a number"),
        ({"thresholds": {"same": math.nan, "review": 5}}, "thresholds.same: nan is not a number"),
        ({"thresholds": {"same": 9, "review": -math.inf}}, "thresholds.review: -inf is not a number"),
        ({"crowded": math.inf}, "crowded: inf is not a whole number"),
        ({"crowded": 10**400}, "is not a whole number"),
        ({"of_two": 2.5}, "of_two: 2.5 is not a whole number"),
        ({"of_two": 1}, "2 <= of_two <= of_many <= alike <= crowded must hold"),
        ({"of_many": 1}, "2 <= of_two <= of_many <= alike <= crowded must hold"),
        ({"crowded": 2}, "2 <= of_two <= of_many <= alike <= crowded must hold"),
        ({"certain": 8}, "review must not exceed same, nor same certain"),
        ({"thresholds": {"same": 4, "review": 5}}, "review must not exceed same, nor same certain"),
        ({"thresholds": {"same": 9}}, "thresholds must hold exactly same and review"),
        ({"thresholds": {"same": 9, "review": 5, "maybe": 3}}, "thresholds must hold exactly same and review"),
        ({"thresholds": [9, 5]}, "thresholds must hold exactly same and review"),
        ({"thresholds": {"same": "nine", "review": 5}}, "thresholds.same: 'nine' is not a number"),
        ({"thresholds": {"same": 9, "review": False}}, "thresholds.review: False is not a number"),
        ({"weights": []}, "weights lacks or does not know"),
        ({"weights": {}}, "weights lacks or does not know email"),
        ({"weights": weights(shoe_size=3)}, "weights lacks or does not know shoe_size"),
        ({"weights": weights(email="12")}, "weights.email: '12' is not a number"),
        ({"weights": weights(phone=[])}, "weights.phone: [] is not a number"),
        ({"weights": weights(name_full=True)}, "weights.name_full: True is not a number"),
        ({"weights": weights(name_full=math.nan)}, "weights.name_full: nan is not a number"),
        ({"weights": weights(other_contacts=-math.inf)}, "weights.other_contacts: -inf is not a number"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_rules(changed(tmp_path, **changes))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold exactly"),
        ("- 1", "must hold exactly"),
        ("weights: {email: 1", "line 2: did not find"),
        ("version: 1\nversion: 2", "line 2: the key 'version' stands twice"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "identity.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_rules(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml does not exist"):
        read_rules(tmp_path / "none.yaml")


def test_the_file_in_force_reads_and_may_be_changed(tmp_path: Path) -> None:
    assert set(identity_rules().weights) == set(WEIGHTS)
    assert read_rules(changed(tmp_path, certain=20.5)).certain == 20.5


def test_no_short_name_stands_for_itself_and_compounds_have_two_parts() -> None:
    nicknames = vocabulary("nicknames")
    assert not [full for full, shorts in nicknames["names"].items() if full in shorts or not shorts]
    assert not [short for short, parts in nicknames["compounds"].items() if len(parts) != 2]
