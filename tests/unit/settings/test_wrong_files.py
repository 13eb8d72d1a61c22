"""A settings file that cannot be read is a sentence with its name, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings.loading import load_settings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"brands: {d\xff: {}}", "cannot be read"),
        (b"tuning: {batch_size: 2026-13-45}", "quote it"),
        (b"[" * 100_000, "too deep"),
        (b"brands: [", "line"),
        (b"nothing: 1", "nothing"),
    ],
    ids=["no text", "no date", "deep", "cut off", "unknown key"],
)
def test_a_settings_file_that_is_wrong_is_named_with_what_is_wrong(tmp_path, content, message):
    file = tmp_path / "afluente.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as error:
        load_settings({"AFLUENTE_CONFIG": str(file)})
    assert str(file) in str(error.value)


def test_a_folder_or_a_circle_of_links_in_its_place_is_said(tmp_path: Path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for wrong in (tmp_path, tmp_path / "loop"):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            load_settings({"AFLUENTE_CONFIG": str(wrong)})
