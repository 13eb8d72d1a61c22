"""A mailbox that suppliers, directories and colleagues send or forward leads to, read over IMAP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self
from urllib.parse import unquote, urlsplit

import msgspec

from connectors.kit.errors import ConfigurationError
from connectors.kit.problems import problem_of_type
from connectors.kit.sources.auth.options import OAuthClientOption, OAuthCodeOption
from connectors.kit.sources.collected.kinds import Collected, SourceEntry, read_position, wrong_choice
from connectors.kit.sources.declarations import Auth, Secret

AUTHENTICATIONS = ("password", "xoauth2")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a mailbox is. Without `is_tls` the connection is upgraded by STARTTLS, except to this machine itself."""

    host: str
    port: int
    folder: str
    is_tls: bool

    @property
    def is_local(self) -> bool:
        return self.host in _LOOPBACK


@dataclass(frozen=True, slots=True)
class Mailbox(Collected):
    """Mails of the folder that `sources.NAME.url` names: `imaps://imap.example.org/Leads`.

    `token`: the password, or with `options.auth: xoauth2` the access token. `auth`: what access tokens are had and
    renewed by, as `options.oauth` says it. `options.user` logs in; `options.move_to`
    names a folder that mails are moved to once they are stored; `options.trusted_servers` the names under which one's
    own servers write `Authentication-Results`.
    """

    option_names: ClassVar[tuple[str, ...]] = ("user", "auth", "oauth", "move_to", "trusted_servers")

    token: Secret
    auth: Auth | None = None
    every_seconds: int = 60
    max_message_bytes: int = 33_554_432
    token_required: bool = True
    formats: tuple[str, ...] = ("mail",)

    def set_up(self, slug: str, entry: SourceEntry) -> Self:
        said = entry.options.get("oauth")
        if said is None:
            return self
        place = f"sources.{slug}.options"
        if entry.options.get("auth") != "xoauth2":
            raise ConfigurationError(f"{place}.oauth is for servers that take tokens: set {place}.auth to xoauth2")
        try:
            return replace(self, auth=msgspec.convert(said, OAuthClientOption | OAuthCodeOption).declared(slug))
        except msgspec.ValidationError as error:
            raise ConfigurationError(problem_of_type(f"{place}.oauth", error)) from error

    def lacks(self, slug: str, entry: SourceEntry) -> str | None:
        if not entry.url:
            return f"set sources.{slug}.url to the mailbox, as imaps://imap.example.org/INBOX"
        try:
            self.address(entry)
        except ConfigurationError as error:
            return f"sources.{slug}.url {error}"
        if not isinstance(entry.options.get("user"), str):
            return f"set sources.{slug}.options.user to the name that logs in there"
        trusted = entry.options.get("trusted_servers", [])
        if not isinstance(trusted, list) or not all(isinstance(name, str) for name in trusted):
            return f"sources.{slug}.options.trusted_servers must be a list of names of servers"
        return wrong_choice(f"sources.{slug}.options.auth", entry.options.get("auth"), AUTHENTICATIONS)

    def address(self, entry: SourceEntry) -> Address:
        """Raises ConfigurationError, to be read after the setting's name."""
        parts = urlsplit(entry.url or "")
        try:
            port = parts.port
        except ValueError:
            raise ConfigurationError("has no number as its port") from None
        if parts.scheme not in ("imaps", "imap") or not parts.hostname:
            raise ConfigurationError("must be an address as imaps://imap.example.org/INBOX")
        if parts.username or parts.password:
            raise ConfigurationError("must hold no name or password: they go into options.user and token")
        is_tls = parts.scheme == "imaps"
        return Address(
            parts.hostname, port or (993 if is_tls else 143), unquote(parts.path.strip("/")) or "INBOX", is_tls
        )

    def place(self, entry: SourceEntry) -> str:
        """What a position belongs to: another place is collected from its beginning. Holds no credentials."""
        address = self.address(entry)
        return f"{address.host}:{address.port}/{address.folder} {entry.options.get('user')}"

    def begins_at(self, value: str) -> str:
        if value != "beginning":
            raise ConfigurationError("a mailbox is read again from its `beginning`, and from nowhere else")
        return "{}"

    def told(self, position: str | None) -> str | None:
        uid = read_position(position).get("uid")
        return None if uid is None else f"mail {uid}"

    def problem(self, position: str | None) -> str | None:
        from connectors.kit.mail.templates import wrong_templates  # reading mails is no business of most commands

        wrong = next(iter(wrong_templates().values()), None)
        if wrong is not None:
            return f"a template of mails is wrong, and the one before it counts until a restart: {wrong}"
        left = len(read_position(position).get("unmoved_uids", ()))
        return f"{left} mails are stored and could not be moved: is there a folder options.move_to?" if left else None
