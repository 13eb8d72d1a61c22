"""Tables of users, their sessions, local administrators and failed attempts."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.store.columns import count_column, metadata, moment_column

users = Table(
    "users",
    metadata,
    Column("user_id", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("issuer", Text, nullable=False),  # 'local': an administrator made on the server
    Column("subject", Text, nullable=False),
    Column("name", Text),  # as the provider says it; shown, never compared
    Column("roles", JSONB, nullable=False, server_default=text("'{}'")),  # brand to roles, of the last sign-in
    moment_column("created_at", nullable=False, is_now=True),
    moment_column("signed_in_at"),
    moment_column("disabled_at"),
    PrimaryKeyConstraint("user_id", name="users_pkey"),
    UniqueConstraint("issuer", "subject", name="users_subject"),
)

user_sessions = Table(
    "user_sessions",
    metadata,
    Column("session_id", Uuid, nullable=False),  # by which it is shown
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the cookie's value, which is kept nowhere
    Column("user_id", Uuid, nullable=False),
    Column("sid", Text),  # the provider's name of the session
    Column("auth", Text, nullable=False),
    Column("roles", JSONB, nullable=False),
    Column("entitled", JSONB, nullable=False),  # what the groups give; more than `roles` after a weak sign-in
    Column("rules", LargeBinary, nullable=False),  # digest of the settings that gave these roles
    Column("sealed", LargeBinary),  # the ID token, which the provider wants to see at the end
    Column("network", Text, nullable=False),  # where it was opened, without the last part of the address
    moment_column("created_at", nullable=False, is_now=True),
    moment_column("seen_at", nullable=False, is_now=True),
    moment_column("ends_at", nullable=False),
    PrimaryKeyConstraint("session_id", name="user_sessions_pkey"),
    UniqueConstraint("digest", name="user_sessions_digest"),
    ForeignKeyConstraint(["user_id"], ["users.user_id"], name="user_sessions_user"),
)
Index("user_sessions_of_user", user_sessions.c.user_id)

local_admins = Table(
    "local_admins",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("password", LargeBinary, nullable=False),  # SHA-256 of a generated one of 125 bits
    Column("sealed", LargeBinary, nullable=False),  # the secret of the one-time codes
    Column("recovery_codes", ARRAY(LargeBinary), nullable=False),  # SHA-256 of those that are left
    count_column("last_step", BigInteger),  # of 30 seconds, of the last code that was taken: a code counts once
    count_column("wrong_codes"),  # in a row, with the right password
    PrimaryKeyConstraint("user_id", name="local_admins_pkey"),
    ForeignKeyConstraint(["user_id"], ["users.user_id"], name="local_admins_user"),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("account", LargeBinary, nullable=False),  # SHA-256 of the name that was typed
    Column("network", Text, nullable=False),
    count_column("failures"),
    moment_column("failed_at", nullable=False, is_now=True),
    moment_column("locked_until"),
    PrimaryKeyConstraint("account", "network", name="sign_in_failures_pkey"),
)

logout_tokens = Table(
    "logout_tokens",
    metadata,
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of issuer and jti: each counts once
    moment_column("kept_until", nullable=False),
    PrimaryKeyConstraint("digest", name="logout_tokens_pkey"),
)
