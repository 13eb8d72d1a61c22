"""Who came, went, or was refused is in the audit log: by whom, and how we know; nothing of what was typed or sent."""

from __future__ import annotations

import pytest

from pipeline.audit.verification import verify_log
from pipeline.login import users
from pipeline.login.errors import SignInError
from pipeline.login.local_admins import create_local_admin, sign_in_locally
from pipeline.store.audit.entries import stream_entries
from pipeline.store.engine import transaction
from tests.support.console_house import House, running_house
from tests.support.granting import OWNER

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(name="house")
def _house(tmp_path, monkeypatch):
    with running_house(tmp_path, monkeypatch) as house:
        yield house


def entries():
    with transaction() as connection:
        found = list(stream_entries(connection))
        assert verify_log(connection).broken == []
    return found


def told():
    return [(entry.action, entry.outcome, entry.actor_kind, entry.auth) for entry in entries()]


def test_coming_and_going_has_an_entry_each(house: House):
    browser = house.signed_in()
    browser.send_form("/", "/sign-out")
    assert told() == [
        ("session.open", "done", "user", "oidc"),
        ("session.end", "done", "user", "oidc"),
    ]
    (user,) = users.list_users()
    assert {entry.actor_id for entry in entries()} == {str(user.user_id)}


def test_a_refusal_says_why_and_a_role_change_that_sessions_ended(house: House):
    house.signed_in(groups=["everybody", "casa-sales"])
    house.sign_in(house.browser(), groups=[])
    house.browser().post(
        "/sign-out/back-channel",
        {"logout_token": house.provider.logout_token(sub="ana")},
        origin=None,
        sec_fetch_site=None,
    )
    found = [(entry.action, entry.outcome, entry.reason) for entry in entries()]
    assert found == [
        ("session.open", "done", None),
        ("session.end", "done", "roles changed at the provider"),
        ("session.open", "refused", "no_role"),
    ]


def test_the_word_of_the_provider_and_of_an_administrator_is_told(house: House):
    house.signed_in()
    house.browser().post(
        "/sign-out/back-channel",
        {"logout_token": house.provider.logout_token(sub="ana")},
        origin=None,
        sec_fetch_site=None,
    )
    users.set_disabled("ana", is_disabled=True)
    users.set_disabled("ana", is_disabled=True)  # which changes nothing
    users.set_disabled("ana", is_disabled=False)
    assert [entry.action for entry in entries()] == ["session.open", "session.end", "user.disable", "user.enable"]


def test_attempts_at_a_local_account_are_told_until_it_is_locked():
    admin = create_local_admin("rescue", by=OWNER)
    for _ in range(9):
        with pytest.raises(SignInError):
            sign_in_locally("rescue", "a-typed-password", "123456", "198.51.100.0/24", None)
    assert told()[:1] == [("local_admin.create", "done", "system", "none")]
    assert told()[1:] == [("session.open", "refused", "system", "none")] * 5
    text = repr(
        [entry.__struct_fields__ and [getattr(entry, name) for name in entry.__struct_fields__] for entry in entries()]
    )
    for secret in ("a-typed-password", "123456", admin.password, admin.secret, *admin.recovery_codes):
        assert secret not in text
