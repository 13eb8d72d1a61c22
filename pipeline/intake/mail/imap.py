"""A mailbox over IMAP, as far as collecting needs it: one message at a time, flags left as they are, bounded.

`imaplib` of the standard library, whose answers are read here and nowhere else (docs/decisions/0030-mailboxes.md).
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from connectors.kit.sources.collected.mailboxes import Address
from pipeline.errors import ConfigurationError, TerminalError, TransientError

_TIMEOUT_SECONDS = 30.0
_WINDOW = 20_000  # UIDs asked about at once: the answer is one line, which must not be longer than a line may be
_NUMBER = re.compile(rb"\d+")
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


class LoginRefusedError(TerminalError):
    """The server does not let us in by this password or token."""


class Imap:
    """A folder, logged in to and opened by `opened`, then used as a context.

    Raises TransientError where the server is away or hangs up, TerminalError where it refuses, LoginRefusedError where
    that is at the login.
    """

    def __init__(self, address: Address, user: str, token: str, *, auth: str) -> None:
        self._address = address
        self._user = user
        self._token = token
        self._auth = auth
        self.uid_validity = 0
        self.next_uid = 0

    def __enter__(self) -> Self:
        return self

    def opened(self) -> Self:
        with self._translated():
            self._server = self._connected()
            try:
                self._log_in()
                self._open_folder()
            except BaseException:
                self._server.shutdown()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._server.logout()
        except (imaplib.IMAP4.error, OSError):
            self._server.shutdown()

    def uids_after(self, uid: int) -> Iterator[int]:
        """UIDs above `uid`, rising. Asked in windows with both ends named: `UID n:*` would give the last one always."""
        last = self.next_uid - 1
        begin = uid + 1
        while begin <= last:
            end = min(begin + _WINDOW - 1, last)
            answer = self._ask("SEARCH", "UID", f"{begin}:{end}")
            found = sorted({int(number) for part in answer if part for number in _NUMBER.findall(part)})
            yield from (number for number in found if begin <= number <= end)
            begin = end + 1

    def size_of(self, uid: int) -> int | None:
        """Bytes of a message; None if it is gone."""
        for part in self._ask("FETCH", str(uid), "(UID RFC822.SIZE)"):
            text = part[0] if isinstance(part, tuple) else part
            if text and (found := _SIZE.search(text)):
                return int(found[1])
        return None

    def fetch(self, uid: int, *, most: int | None = None) -> bytes | None:
        """A message as it came, or its first `most` bytes; None if it is gone. It stays unread."""
        what = "(UID BODY.PEEK[])" if most is None else f"(UID BODY.PEEK[]<0.{most}>)"
        for part in self._ask("FETCH", str(uid), what):
            if isinstance(part, tuple) and b"BODY[" in part[0].upper():
                return bytes(part[1])
        return None

    def move(self, uids: Sequence[int], folder: str) -> bool:
        """Whether they are in `folder` now. One that is gone already is no fault."""
        if not uids:
            return True
        named, target = ",".join(map(str, uids)), _quoted(folder)
        try:
            if "MOVE" in self._server.capabilities:
                self._ask("MOVE", named, target)
            else:
                self._ask("COPY", named, target)
                self._ask("STORE", named, "+FLAGS.SILENT", r"(\Deleted)")
                if "UIDPLUS" in self._server.capabilities:  # else others' deleted mails would go with them
                    self._ask("EXPUNGE", named)
        except TerminalError:
            return False
        return True

    def _connected(self) -> imaplib.IMAP4:
        address = self._address
        context = ssl.create_default_context()
        if address.is_tls:
            return imaplib.IMAP4_SSL(address.host, address.port, ssl_context=context, timeout=_TIMEOUT_SECONDS)
        server = imaplib.IMAP4(address.host, address.port, timeout=_TIMEOUT_SECONDS)
        if not address.is_local:
            server.starttls(context)
        return server

    def _log_in(self) -> None:
        try:
            if self._auth == "xoauth2":
                said = f"user={self._user}\x01auth=Bearer {self._token}\x01\x01".encode()
                answers = iter((said,))  # a second question is the reason of the refusal: an empty answer ends it
                self._server.authenticate("XOAUTH2", lambda _: next(answers, b""))
            else:
                self._server.login(self._user, self._token)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            raise LoginRefusedError(
                "the mail server does not let us in: are options.user and the password or token right?"
            ) from None

    def _open_folder(self) -> None:
        kind, _ = self._server.select(_quoted(self._address.folder))
        if kind != "OK":
            raise TerminalError("the mailbox has no folder of the name that the url ends with")
        validity, following = self._told("UIDVALIDITY"), self._told("UIDNEXT")
        if following is None:
            answer = self._ask("SEARCH", "UID", "1:*")
            numbers = [int(number) for part in answer if part for number in _NUMBER.findall(part)]
            following = max(numbers, default=0) + 1
        if validity is None:
            raise TerminalError("the mail server tells no UIDVALIDITY: mails of it cannot be told apart")
        self.uid_validity, self.next_uid = validity, following

    def _told(self, name: str) -> int | None:
        _, values = self._server.response(name)
        found = [value for value in values or [] if value]
        return int(found[-1]) if found else None

    def _ask(self, command: str, *arguments: str) -> list[Any]:
        with self._translated():
            kind, answer = self._server.uid(command, *arguments)
            if kind != "OK":
                raise TerminalError(f"the mail server refuses {command}")
            return answer

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise TerminalError(f"the mail server's certificate is not trusted ({error.verify_message})") from None
        except imaplib.IMAP4.abort:
            raise TransientError("the mail server hung up") from None
        except imaplib.IMAP4.error:
            raise TerminalError("the mail server's answers cannot be read as IMAP") from None
        except TimeoutError:
            raise TransientError(f"the mail server did not answer within {_TIMEOUT_SECONDS:.0f} s") from None
        except OSError as error:
            raise TransientError(f"the mail server cannot be reached ({type(error).__name__})") from None


def _quoted(folder: str) -> str:
    """A folder's name as IMAP writes it. Raises ConfigurationError for what cannot be one."""
    if any(ord(c) < 32 for c in folder):
        raise ConfigurationError("a folder's name holds a control character")
    return '"' + _utf7(folder).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _utf7(text: str) -> str:
    """Modified UTF-7 (RFC 3501, 5.1.3): what is not ASCII between `&` and `-`."""
    written, held = [], ""

    def encode(rest: str) -> str:
        return "&" + rest.encode("utf-7").decode()[1:].rstrip("-").replace("/", ",") + "-" if rest else ""

    for letter in text:
        if 0x20 <= ord(letter) <= 0x7E:
            written.append(encode(held))
            held = ""
            written.append("&-" if letter == "&" else letter)
        else:
            held += letter
    return "".join([*written, encode(held)])
