"""What an installation keeps of itself, damaged or closed to us: a sentence that says what to do, or a fresh start
where nothing is lost by it."""

from __future__ import annotations

import json
import os

import pytest

from pipeline.errors import ConfigurationError
from pipeline.health.machine_checks import check_processes, check_receiver_port
from pipeline.settings.installation import ensure_credentials, read_credentials, read_runtime, unusable
from pipeline.settings.loading import load_settings
from pipeline.supervisor.data_folder import find_recorded, hold_folder, told_in_words

WRONG_RECORDS = [
    '{"addresses": []}',
    '{"addresses": {"receiver": 7, "sandbox": null}, "processes": {"pid": 1}}',
    '{"addresses": "http://x", "processes": [1, null, {"name": 5, "pid": "7"}, {"pid": 2}]}',
    "[]",
    "7",
    "",
    "{",
    "[" * 100_000,
    '{"processes": [{"name": "hot", "pid": 99999999999999999999999, "created": []}]}',
]


@pytest.mark.parametrize("text", WRONG_RECORDS, ids=lambda text: text[:40])
def test_a_record_of_what_runs_that_makes_no_sense_stops_no_command(tmp_path, text):
    (tmp_path / "runtime.json").write_text(text)
    known = load_settings({"AFLUENTE_DATA": str(tmp_path)})
    assert known.destinations["sandbox"].base_url == "http://127.0.0.1:8081"
    assert read_runtime(tmp_path).get("addresses", {}) == {}
    assert find_recorded(tmp_path) == []
    list(check_processes(known))
    check_receiver_port(known)


@pytest.mark.parametrize(
    "text",
    ["[]", "7", '{"secret_keys": "abc"}', '{"secret_keys": [1]}', '{"sources": []}', '{"api_key": 5}', "", "{"],
)
def test_credentials_that_are_not_as_written_are_refused_and_never_made_anew(tmp_path, text):
    file = tmp_path / "credentials.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="restore it from a backup"):
        ensure_credentials(tmp_path, ["standard_webhooks"])
    assert file.read_text() == text


def test_a_data_folder_that_is_a_file_is_said_to_be_one(tmp_path):
    (tmp_path / "data").write_text("")
    for use in (read_credentials, lambda data: hold_folder(data).__enter__()):
        with pytest.raises(ConfigurationError, match=r"data is a file, not a folder: choose another .*--data") as error:
            use(tmp_path / "data")
        assert "backup" not in str(error.value)
    with pytest.raises(ConfigurationError, match="data is a file"):
        read_credentials(tmp_path / "data" / "deeper")


def test_a_data_folder_that_cannot_be_made_is_a_sentence():
    from pathlib import Path

    with pytest.raises(ConfigurationError, match=r"/proc/nope cannot be made .*AFLUENTE_DATA"):
        hold_folder(Path("/proc/nope")).__enter__()


def test_a_folder_of_another_account_is_said_to_be_its_and_no_backup_is_advised(tmp_path):
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return
    code = 1
    try:
        (tmp_path / "credentials.json").write_text(json.dumps({"secret_keys": ["x"]}))
        (tmp_path / "credentials.json").chmod(0o600)
        tmp_path.chmod(0o700)
        if os.geteuid() == 0:
            os.setuid(65534)
            for use in (read_credentials, lambda data: hold_folder(data).__enter__()):
                with pytest.raises(ConfigurationError) as error, told_in_words(tmp_path):
                    use(tmp_path)
                assert "belongs to root: run this as root" in str(error.value)
                assert "backup" not in str(error.value)
        code = 0
    finally:
        os._exit(code)


def test_what_the_system_refuses_is_told_with_the_file_and_a_remedy(tmp_path):
    sentence = unusable(tmp_path / "lock", OSError(28, "No space left on device"))
    assert sentence.startswith(f"{tmp_path / 'lock'} cannot be written (No space left on device): make room")
