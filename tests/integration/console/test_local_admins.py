"""Local administrators: password and code, each code once, and whoever guesses locks nobody else out."""

from __future__ import annotations

import hashlib
import math
import time

import pyotp
import pytest

from pipeline.errors import UsageError
from pipeline.login import users
from pipeline.login.errors import SignInError
from pipeline.login.local_admins import create_local_admin, sign_in_locally
from pipeline.settings.loading import load_settings
from pipeline.store.engine import transaction
from pipeline.store.users import local_admins
from tests.support.console_browser import listening, running_console
from tests.support.console_house import House, is_in, write_settings
from tests.support.granting import OWNER

pytestmark = pytest.mark.usefixtures("database")
HERE, ELSEWHERE = "198.51.100.0/24", "203.0.113.0/24"
NOW = 1_800_000_000.0


def code(admin, now: float = NOW) -> str:
    return pyotp.TOTP(admin.secret).at(int(now))


def enter(admin, typed: str, *, password: str | None = None, network: str = HERE, now: float = NOW):
    return sign_in_locally(admin.name, password or admin.password, typed, network, None, clock=lambda: now)


def refusal(*arguments, **named) -> str:
    with pytest.raises(SignInError) as caught:
        enter(*arguments, **named)
    return caught.value.code


def forget_lock() -> None:
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE sign_in_failures SET locked_until = now()")


def locked_seconds() -> int:
    with transaction() as connection:
        return round(
            connection.exec_driver_sql(
                "SELECT extract(epoch FROM locked_until - failed_at)::float8 FROM sign_in_failures WHERE network = %s",
                (HERE,),
            ).scalar_one()
        )


def test_password_and_code_are_both_needed():
    admin = create_local_admin("rescue", by=OWNER)
    assert refusal(admin, code(admin), password="wrong") == "wrong_credentials"
    assert refusal(admin, "000000") == "wrong_credentials"
    assert refusal(admin, "") == "wrong_credentials"
    assert enter(admin, code(admin))


def test_a_code_counts_once():
    admin = create_local_admin("rescue", by=OWNER)
    enter(admin, code(admin))
    assert refusal(admin, code(admin)) == "wrong_credentials"
    assert refusal(admin, code(admin, NOW - 30)) == "wrong_credentials"  # an older one neither
    enter(admin, code(admin, NOW + 30), now=NOW + 30)


def test_a_code_of_the_step_before_or_after_is_taken_and_no_other():
    for seconds in (-30, 30):
        admin = create_local_admin("rescue", by=OWNER, is_replaced=True)
        assert enter(admin, code(admin, NOW + seconds))
    for seconds in (-90, 90):
        admin = create_local_admin("other", by=OWNER, is_replaced=True)
        assert refusal(admin, code(admin, NOW + seconds)) == "wrong_credentials"


def test_new_secrets_do_not_let_a_used_code_count_again():
    admin = create_local_admin("rescue", by=OWNER)
    enter(admin, code(admin))
    renewed = create_local_admin("rescue", by=OWNER, is_replaced=True)
    assert refusal(admin, code(admin), password=renewed.password) == "wrong_credentials"
    assert enter(renewed, code(renewed, NOW + 30), now=NOW + 30)


def test_each_recovery_code_counts_once_in_place_of_a_code():
    admin = create_local_admin("rescue", by=OWNER)
    assert len(set(admin.recovery_codes)) == 10
    for recovery in admin.recovery_codes[:2]:
        shown = f"{recovery[:8].upper()}-{recovery[8:]}"
        assert enter(admin, shown)
        assert refusal(admin, recovery) == "wrong_credentials"
    assert enter(admin, admin.recovery_codes[2])


def test_what_is_kept_as_a_plain_digest_is_too_random_to_be_tried_out():
    admin = create_local_admin("rescue", by=OWNER)
    letters = len(set("".join([admin.password, *admin.recovery_codes])))
    for secret in (admin.password, *admin.recovery_codes):
        assert len(secret) * math.log2(letters) >= 128


def test_whoever_guesses_is_locked_for_longer_each_time_and_locks_nobody_else():
    admin, other = create_local_admin("rescue", by=OWNER), create_local_admin("second", by=OWNER)
    for _ in range(5):
        assert refusal(admin, "000000", password="wrong") == "wrong_credentials"
    assert refusal(admin, code(admin)) == "locked"  # the right one does not help
    assert enter(admin, code(admin), network=ELSEWHERE)
    assert enter(other, code(other))
    waits = []
    for _ in range(8):
        forget_lock()
        assert refusal(admin, "000000", password="wrong") == "wrong_credentials"
        waits.append(locked_seconds())
    assert waits == [120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]
    forget_lock()
    assert enter(admin, code(admin, NOW + 60), now=NOW + 60)
    assert refusal(admin, "000000") == "wrong_credentials"  # counted from the beginning


def test_a_name_that_nobody_has_is_refused_like_a_wrong_password_and_locked_too():
    ghost = create_local_admin("ghost", by=OWNER)
    users.set_disabled("ghost", is_disabled=True)
    for _ in range(5):
        with pytest.raises(SignInError) as unknown:
            sign_in_locally("nobody", "x", "000000", HERE, None)
        with pytest.raises(SignInError) as known:
            enter(ghost, code(ghost))
        assert str(unknown.value) == str(known.value)
    with pytest.raises(SignInError, match="too many"):
        sign_in_locally("nobody", "x", "000000", HERE, None)


def test_invented_names_do_not_fill_the_table():
    for number in range(60):
        with pytest.raises(SignInError):
            sign_in_locally(f"nobody-{number}", "x", "000000", HERE, None)
    admin = create_local_admin("rescue", by=OWNER)
    assert enter(admin, code(admin))
    with transaction() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sign_in_failures").scalar_one() <= 51


def test_after_many_invented_names_one_that_somebody_has_is_told_from_none_of_the_others():
    ghost = create_local_admin("ghost", by=OWNER)
    invent_names(50)
    answers = {name: [heard(name) for _ in range(8)] for name in ("ghost", "nobody", "nobody-1")}
    assert answers["ghost"] == answers["nobody"] == answers["nobody-1"]
    with transaction() as connection:  # which is locked all the same
        assert local_admins.locked_seconds(connection, hashlib.sha256(b"ghost").digest(), HERE) > 0
    forget_lock()
    assert enter(ghost, code(ghost))


def test_invented_names_of_the_day_before_count_no_more():
    invent_names(50)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE sign_in_failures SET failed_at = now() - interval '25 hours'")
    assert [heard("nobody")[0] for _ in range(6)] == ["wrong_credentials"] * 5 + ["locked"]


def invent_names(count: int) -> None:
    for number in range(count):
        heard(f"nobody-{number}")


def heard(name: str) -> tuple[str, int, str]:
    with pytest.raises(SignInError) as caught:
        sign_in_locally(name, "x", "000000", HERE, None)
    return caught.value.code, caught.value.status, str(caught.value)


def test_a_password_whose_codes_are_guessed_from_everywhere_ends():
    admin = create_local_admin("rescue", by=OWNER)
    for number in range(20):
        assert refusal(admin, "000000", network=f"10.0.{number}.0/24") == "wrong_credentials"
    assert refusal(admin, code(admin), network=ELSEWHERE) == "wrong_credentials"
    renewed = create_local_admin("rescue", by=OWNER, is_replaced=True)
    assert enter(renewed, code(renewed), network=ELSEWHERE)


def test_a_second_one_of_a_name_is_refused_unless_its_secrets_are_replaced():
    admin = create_local_admin("rescue", by=OWNER)
    with pytest.raises(UsageError, match="--replace"):
        create_local_admin("rescue", by=OWNER)
    assert enter(admin, code(admin))
    for name in ("", "a b", "x" * 65, "ä", "a/b"):
        with pytest.raises(UsageError, match="is no name"):
            create_local_admin(name, by=OWNER)


def test_none_of_its_secrets_stands_readable_in_the_database():
    admin = create_local_admin("rescue", by=OWNER)
    with transaction() as connection:
        (row,) = connection.exec_driver_sql("SELECT a::text FROM local_admins a").scalars().all()
    for secret in (admin.password, admin.secret, *admin.recovery_codes):
        assert secret not in row
        assert secret.encode().hex() not in row
        assert secret not in repr(admin)


def test_on_a_machine_without_a_provider_the_console_says_how_to_set_it_up_and_lets_a_local_administrator_in(
    tmp_path, monkeypatch
):
    write_settings(tmp_path, monkeypatch)
    admin = create_local_admin("rescue", by=OWNER)
    with listening() as (taken, home), running_console(load_settings(), taken):
        browser = House(home, None).browser()
        assert "docs/sign-in.md" in browser.get("/sign-in").text
        typed = {"name": "rescue", "password": admin.password, "code": pyotp.TOTP(admin.secret).at(int(time.time()))}
        answer = browser.send_form("/sign-in/local", "/sign-in/local", **typed)
        assert answer.status_code == 303, answer.text
        page = browser.get("/").text
        assert "<td>every brand</td><td>admin</td>" in page
        assert "a one-time code" in page
        again = House(home, None).browser()
        assert again.send_form("/sign-in/local", "/sign-in/local", **typed).status_code == 403
        assert not is_in(again)
        assert again.get("/sign-in", headers={"Host": "evil.example.com"}).status_code == 421
