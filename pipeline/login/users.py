"""Users as an administrator sees them: who there is, who is in, and who shall not be."""

from __future__ import annotations

from pipeline.audit.entries import record_action
from pipeline.errors import NotFoundError, UsageError
from pipeline.login.sessions import OpenSession, list_sessions
from pipeline.settings.sign_in_settings import SignInSettings
from pipeline.store.engine import transaction
from pipeline.store.users import sessions, users
from pipeline.store.users.users import User


def list_users() -> list[User]:
    """Everybody who ever signed in, and every local administrator."""
    with transaction() as connection:
        return users.find_users(connection)


def find_user(text: str) -> User:
    """By id, the provider's subject, or a name that one alone has. Raises NotFoundError, UsageError."""
    with transaction() as connection:
        found = users.find_users(connection, text, limit=2)
    if not found:
        raise NotFoundError(f"there is no user {text!r}; `afluente users list` shows those there are")
    if len(found) > 1:
        raise UsageError(f"{text!r} is the name of several users: give the id that `afluente users list` shows")
    return found[0]


def set_disabled(text: str, *, is_disabled: bool) -> tuple[User, int]:
    """Switch a user off (all sessions end, none begins) or on again. The user, and how many sessions ended."""
    user = find_user(text)
    with transaction() as connection:
        is_changed = users.set_disabled(connection, user.user_id, is_disabled=is_disabled)
        ended = sessions.end_sessions_of(connection, user.user_id) if is_disabled else 0
        if is_changed:
            record_action(
                connection,
                "user.disable" if is_disabled else "user.enable",
                object_kind="user",
                object_id=str(user.user_id),
            )
    return user, ended


def end_sessions(text: str) -> tuple[User, int]:
    """End all sessions of a user; they may sign in again. How many there were."""
    user = find_user(text)
    with transaction() as connection:
        ended = sessions.end_sessions_of(connection, user.user_id)
        if ended:
            record_action(connection, "session.end", object_kind="user", object_id=str(user.user_id))
    return user, ended


def sessions_of(text: str | None, access: SignInSettings | None) -> list[OpenSession]:
    """Open sessions of a user, or of everybody."""
    return list_sessions(None if text is None else find_user(text).user_id, access)
