"""`afluente init` makes a folder that works at once, and touches nothing that is there."""

from __future__ import annotations

import pytest

from pipeline.authoring.company_folder import make_company_folder
from pipeline.errors import ConfigurationError
from pipeline.settings.loading import load_settings


def names(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_settings_places_for_ones_own_files_and_what_git_must_not_take(tmp_path):
    folder = tmp_path / "new" / "leads"
    written = make_company_folder(folder)
    assert {str(path) for path in written} == names(folder)
    for place in (
        "connectors/sources",
        "connectors/destinations",
        "mappings/sources",
        "mappings/vocabularies",
        "samples",
    ):
        assert (folder / place).is_dir()
    ignored = (folder / ".gitignore").read_text().splitlines()
    assert {".afluente/", "secrets/", ".env"} <= set(ignored)
    assert len((folder / "README.md").read_text().splitlines()) <= 12


def test_its_settings_say_nothing_until_lines_are_taken_out_of_their_comments(tmp_path):
    make_company_folder(tmp_path)
    settings = load_settings({"AFLUENTE_HOME": str(tmp_path)})
    assert settings.home == tmp_path
    assert settings.uses_sandbox
    text = (tmp_path / "afluente.yaml").read_text()
    opened = [line.removeprefix("# ") for line in text.splitlines() if line.startswith(("# ", "#  ")) and ":" in line]
    wanted = [line for line in opened if line.startswith((" ", "brands:", "sources:", "destinations:"))]
    (tmp_path / "afluente.yaml").write_text("\n".join(wanted) + "\n")
    settings = load_settings({"AFLUENTE_HOME": str(tmp_path)})
    assert settings.destinations["crm"].kind == "salesforce"
    assert settings.region_for("web_form", "default") == "US"


@pytest.mark.parametrize("name", ["afluente.yaml", ".gitignore", "README.md", "mappings", "connectors", "samples"])
def test_a_folder_with_something_of_it_is_refused_and_stays_as_it_is(tmp_path, name):
    (tmp_path / "notes.txt").write_text("ours")
    (tmp_path / name).write_text("ours too")
    with pytest.raises(ConfigurationError) as error:
        make_company_folder(tmp_path)
    assert f"holds {name} already" in str(error.value)
    assert names(tmp_path) == {"notes.txt", name}
    assert (tmp_path / name).read_text() == "ours too"


def test_other_files_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("ours")
    make_company_folder(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "ours"


def test_a_link_that_leads_nowhere_is_something_too(tmp_path):
    (tmp_path / "samples").symlink_to(tmp_path / "absent")
    with pytest.raises(ConfigurationError, match="holds samples already"):
        make_company_folder(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "leads").write_text("")
    with pytest.raises(ConfigurationError, match="is no folder"):
        make_company_folder(tmp_path / "leads")
