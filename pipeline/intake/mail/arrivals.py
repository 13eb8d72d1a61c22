"""A mail about to be stored: as it came, with what tells it apart and whether anything proves who sent it."""

from __future__ import annotations

import email
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from email import policy
from email.message import Message
from typing import Any

from connectors.kit.mail.messages import MAX_HEADER_BYTES, address_of, end_of_headers, header
from connectors.kit.mail.records import CONTENT_TYPE, read_mail
from pipeline.errors import RecordError, place_of
from pipeline.intake.arrivals import new_event
from pipeline.intake.instances import SourceInstance
from pipeline.logs import get_logger
from pipeline.records import AS_IT_CAME, STORED, Envelope, NewEvent
from pipeline.settings.loading import Settings

VIA = "mail"
_log = get_logger(__name__)
_ADDRESSED = ("to", "cc", "delivered-to", "x-original-to", "envelope-to")
_LONGEST_TOKEN_LIST = 20_000  # characters of addresses that are looked through


class Proofs:
    """What proves a mail's sender here: tokens of addresses that only the sender knows, and results of own servers."""

    def __init__(self, known: Settings, instance: SourceInstance) -> None:
        entry = known.source(instance.slug)
        declared = getattr(instance.connector.intake, "token", None)
        password = declared.name if declared is not None else ""
        # `secret`, or the brand's own, proves any mail; a secret under the name of a template those of its supplier.
        self._tokens: dict[str, Sequence[str]] = {
            name.lower(): known.source_secrets(instance.slug, name, signs=False, brand=instance.brand)
            for name in entry.secrets
            if name != password and name not in known.brands
        }
        if entry.secret is not None or instance.brand in entry.secrets:
            self._tokens[""] = known.source_secrets(instance.slug, "", brand=instance.brand)
        servers = entry.options.get("trusted_servers", [])
        self._servers = {str(name).lower() for name in servers} if isinstance(servers, list) else set()

    def of(self, headers: Message, template: str) -> str | None:
        """By what the mail is proven: `address`, `authentication-results`, or None."""
        addressed = " ".join(str(value) for name in _ADDRESSED for value in headers.get_all(name, []))
        words = addressed[:_LONGEST_TOKEN_LIST].replace("<", " ").replace(">", " ").replace(",", " ").split()
        given = [word.partition("+")[2].rpartition("@")[0] for word in words if "+" in word]
        for name in ("", template):
            for token in self._tokens.get(name, ()):
                if any(hmac.compare_digest(token.encode(), said.encode(errors="replace")) for said in given):
                    return "address"
        return "authentication-results" if self._is_authenticated(headers) else None

    def _is_authenticated(self, headers: Message) -> bool:
        """Whether our own server found a signature of the sender's domain, or DMARC to pass. Only the topmost result of
        its name counts: those below may be the sender's own words."""
        domain = address_of(header(headers, "from")).rpartition("@")[2]
        for result in headers.get_all("authentication-results", []):
            server, _, rest = " ".join(str(result)[:4_000].lower().split()).partition(";")
            if server.split(" ")[0] not in self._servers:
                continue
            found = [part.strip().split() for part in rest.split(";")]
            return bool(domain) and any(_passes(words, domain) for words in found)
        return False


def _passes(words: list[str], domain: str) -> bool:
    signer = next((word.partition("=")[2].lstrip("@") for word in words if word.startswith("header.d=")), "")
    if "dkim=pass" in words:
        return bool(signer) and (domain == signer or domain.endswith(f".{signer}"))
    origin = next((word.partition("=")[2] for word in words if word.startswith("header.from=")), "")
    return "dmarc=pass" in words and origin in ("", domain)


def mail_record(body: bytes, *, source: str = "") -> dict[str, Any]:
    """The record of a mail, as far as it can be read: empty where mapping will say why not. `source` is for the log."""
    try:
        return read_mail(body)
    except RecordError:  # it is stored all the same, and mapping says the same into quarantine
        return {}
    except Exception as error:  # noqa: BLE001 - a fault in reading one mail must not keep the others; mapping meets it
        _log.error("mail_unreadable", source=source, place=place_of(error))
        return {}


def mail_event(
    instance: SourceInstance,
    body: bytes,
    origin: Mapping[str, Any],
    prove: Callable[[Message, str], str | None],
    *,
    record: dict[str, Any] | None = None,
) -> NewEvent:
    """One mail as an event. `prove`: by what it is proven, of its headers and its template's name. `record`: what
    `mail_record` says of it, for who asked already.

    A proven mail with its supplier's number of the lead is known by that, so that a corrected one is a revision; others
    by Message-ID, sender, date and text, so that a mailbox that is read again repeats nothing.
    """
    headers = headers_of(body)
    if record is None:
        record = mail_record(body, source=instance.slug)
    proof = prove(headers, str(record.get("template", "")).partition("@")[0])
    envelope = Envelope(CONTENT_TYPE, body, {}, {**origin, STORED: AS_IT_CAME, "verified_by": proof})
    if proof is not None and record.get("number"):
        return new_event(instance, record, envelope)
    return new_event(instance, _dated(record), envelope, digest=mail_digest(headers, body))


def mail_digest(headers: Message, body: bytes) -> bytes:
    """32 bytes that are the same for a mail that is read again, or came by two ways."""
    text = body.partition(b"\r\n\r\n")[2] or body.partition(b"\n\n")[2]
    named = "\x00".join(header(headers, name) for name in ("message-id", "from", "date"))
    digest = hashlib.sha256(b"mail\x00" + named.encode(errors="replace") + b"\x00")
    digest.update(text.replace(b"\r\n", b"\n").strip())
    return digest.digest()


def headers_of(body: bytes) -> Message:
    """The headers alone, in bounds."""
    end = min(end_of_headers(body), MAX_HEADER_BYTES)
    return email.message_from_bytes(body[:end] + b"\n\n", policy=policy.compat32)


def _dated(record: dict[str, Any]) -> dict[str, Any]:
    """What of the record may be kept beside an unproven mail: its time, no id."""
    return {"sent_at": record["sent_at"]} if record.get("sent_at") else {}
