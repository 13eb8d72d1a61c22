"""A mapping file that changes while the process runs: read again when asked to look, kept when it is wrong."""

from __future__ import annotations

import os
import threading

import pytest

from pipeline.errors import ConfigurationError
from pipeline.stages.mapping.source_mapping import read_source_mapping
from pipeline.stages.reloading import Reloading

RIGHT = "source: acme\nversion: 1\nlead: {email: mail}\n"
EDITED = "source: acme\nversion: 2\nlead: {email: mail, city: town}\n"
WRONG = "source: acme\nversion: 3\nlead: {emial: mail}\n"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A mapping of the company's own."""
    monkeypatch.setenv("AFLUENTE_HOME", str(tmp_path))
    path = tmp_path / "mappings" / "sources" / "acme.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(RIGHT)
    return path


@pytest.fixture
def mappings(file):
    read = []

    def compile_file(path):
        read.append(path)
        return read_source_mapping(path)

    mappings = Reloading("sources", compile_file, missing="no mapping for the source")
    mappings.read = read
    return mappings


def number(mapping) -> str:
    return mapping.version.partition("@")[2].partition("+")[0]


def test_an_edited_file_is_taken_at_the_next_look_and_not_before(mappings, file):
    assert number(mappings.get("acme")) == "1"
    file.write_text(EDITED)
    assert number(mappings.get("acme")) == "1", "one batch must not see two versions"
    assert mappings.refresh(["acme"]) == {}
    assert number(mappings.get("acme")) == "2"


def test_a_file_that_did_not_change_is_not_read_again(mappings):
    first = mappings.get("acme")
    for _ in range(3):
        mappings.refresh(["acme"])
    assert mappings.get("acme") is first
    assert len(mappings.read) == 1


def test_a_wrong_file_changes_nothing_and_is_told_once_per_change(mappings, file):
    mappings.get("acme")
    file.write_text(WRONG)
    told = mappings.refresh(["acme"])
    assert "did you mean" in told["acme"]
    assert mappings.refresh(["acme"]) == {}
    assert number(mappings.get("acme")) == "1"
    assert mappings.trouble("acme") == told["acme"]
    file.write_text("source: [")
    assert "acme" in mappings.refresh(["acme"])
    file.write_text(EDITED)
    assert mappings.refresh(["acme"]) == {}
    assert mappings.trouble("acme") is None
    assert number(mappings.get("acme")) == "2"


def test_a_file_that_is_gone_leaves_the_version_it_had(mappings, file):
    mappings.get("acme")
    file.unlink()
    assert "does not exist" in mappings.refresh(["acme"])["acme"]
    assert number(mappings.get("acme")) == "1"


def test_a_file_that_was_never_right_is_an_error_until_it_is(mappings, file):
    file.write_text(WRONG)
    with pytest.raises(ConfigurationError, match="emial"):
        mappings.get("acme")
    file.write_text(EDITED)
    mappings.refresh(["acme"])
    assert number(mappings.get("acme")) == "2"


def test_a_file_put_in_place_with_the_same_size_and_date_is_still_seen(mappings, file):
    """`mv` of a file whose date was kept, as rsync and tar keep it."""
    mappings.get("acme")
    before = file.stat()
    other = file.with_name("other")
    other.write_text(RIGHT.replace("version: 1", "version: 2"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(file)
    mappings.refresh(["acme"])
    assert number(mappings.get("acme")) == "2"


def test_a_file_of_the_companys_counts_from_when_it_appears_until_it_is_taken_away(mappings, file):
    shipped = mappings.get("web_form")
    own = file.with_name("web_form.yaml")
    own.write_text("source: web_form\nversion: 9\nlead: {email: mail}\n")
    assert mappings.get("web_form") is shipped, "one batch must not see two versions"
    mappings.refresh(["web_form"])
    assert number(mappings.get("web_form")) == "9"
    own.unlink()
    assert mappings.refresh(["web_form"]) == {}
    assert mappings.get("web_form").version == shipped.version


def test_a_wrong_file_of_the_companys_leaves_the_version_it_would_replace(mappings, file):
    shipped = mappings.get("web_form")
    file.with_name("web_form.yaml").write_text(WRONG.replace("acme", "web_form"))
    assert "emial" in mappings.refresh(["web_form"])["web_form"]
    assert mappings.get("web_form") is shipped


def test_threads_that_look_at_once_compile_a_change_once(mappings, file):
    mappings.get("acme")
    file.write_text(EDITED)
    threads = [threading.Thread(target=mappings.refresh, args=(["acme"],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mappings.read) == 2
