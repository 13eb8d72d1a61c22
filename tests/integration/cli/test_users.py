"""`afluente users …`: who signs in, seen and switched off from the command line."""

from __future__ import annotations

import json
import time

import pyotp
import pytest

from pipeline.login.local_admins import sign_in_locally
from tests.support.command_line import run

pytestmark = pytest.mark.usefixtures("database")


def made(*options: str) -> dict:
    done = run("users", "local-admin", "create", "rescue", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def sign_in(admin: dict) -> None:
    code = pyotp.TOTP(admin["secret"]).at(int(time.time()))
    sign_in_locally("rescue", admin["password"], code, "198.51.100.0/24", None)


def listed(*arguments: str) -> list[dict]:
    return json.loads(run("users", *arguments, "--json").stdout)


def test_a_local_administrator_is_made_seen_and_switched_off():
    admin = made()
    sign_in(admin)
    (user,) = listed("list")
    assert (user["subject"], user["roles"], user["sessions"]) == ("rescue", {"*": ["admin"]}, 1)
    (session,) = listed("sessions", "rescue")
    assert (session["auth"], session["network"]) == ("totp", "198.51.100.0/24")
    assert "1 session" in run("users", "disable", "rescue").stdout
    assert listed("sessions") == []
    assert listed("list")[0]["disabled_at"] is not None
    run("users", "enable", user["user_id"])
    assert listed("list")[0]["disabled_at"] is None


def test_its_sessions_end_by_a_command_and_with_new_secrets():
    sign_in(made())
    assert run("users", "end-sessions", "rescue").stdout.startswith("1 session of ")
    assert run("users", "end-sessions", "rescue").stdout.startswith("0 sessions of ")
    assert run("users", "local-admin", "create", "rescue").returncode == 2
    admin = made("--replace")
    assert admin["is_new"] is False


def test_the_secrets_are_printed_once_for_people_too():
    shown = run("users", "local-admin", "create", "rescue")
    assert shown.stdout.count("\n  ") == 10
    assert "otpauth://totp/Afluente:rescue?secret=" in shown.stdout
    assert "shown once" in shown.stderr


def test_a_user_that_nobody_is_gets_a_sentence_with_a_remedy():
    done = run("users", "disable", "nobody")
    assert done.returncode == 1
    assert "afluente users list" in done.stderr
