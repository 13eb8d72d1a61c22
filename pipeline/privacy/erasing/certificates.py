"""The certificate of an erasure: what was asked and done, system by system, what is kept and why, signed. No personal
data: whoever reads it learns of nobody.

Signed with Ed25519 by a key of this installation, over the JSON with sorted names and no blanks; the certificate names
the public key, and `verify` says whether that is this installation's.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from pipeline.errors import ConfigurationError, UsageError
from pipeline.identity.screening import count_addresses
from pipeline.privacy.erasing.progress import UNVERIFIED, Progress
from pipeline.privacy.inventory import EMPTIED, KEPT, inventory
from pipeline.privacy.ledger import canonical
from pipeline.settings.installation import unusable
from pipeline.settings.loading import settings
from pipeline.store.erasures.requests import PrivacyRequest
from pipeline.store.erasures.signing import signing_key
from pipeline.store.suppressions.suppressions import digests_of_request
from pipeline.values.counting import count_people, counted

_FORM = 1
# As people read it: whose it is, what was asked and when, what was done, what stays. JSON of the database has no order.
_ORDER = (
    *("certificate", "form", "request_id", "brands", "system", "what", "why", "state"),
    *("received_at", "due_at", "verified_at", "ended_at", "approved_by_a_second_person", "people", "rows", "systems"),
    *("records", "answers", "at", "kept", "suppressed_addresses", "ledger", "software", "signature"),
    *("algorithm", "public_key", "value"),
)


class Verified(msgspec.Struct, frozen=True):
    """`is_sound`: nothing was changed since it was signed. `is_ours`: by this installation."""

    is_sound: bool
    is_ours: bool
    request_id: str
    state: str


def certify(connection: Connection, request: PrivacyRequest, *, state: str, ended_at: datetime) -> dict[str, Any]:
    """The certificate of an erasure that ended, signed; filed in the data folder too. Raises ConfigurationError where
    it cannot be written there."""
    content = _content(connection, request, state=state, ended_at=ended_at)
    key = signing_key(connection)
    signature = key.sign(canonical(content))
    signed = {
        **content,
        "signature": {
            "algorithm": "Ed25519",
            "public_key": _text(key.public_key().public_bytes_raw()),
            "value": _text(signature),
        },
    }
    _file(request.request_id, signed)
    return signed


def verify(connection: Connection, certificate: object) -> Verified:
    """Whether a certificate is as it was signed, and by whom. Raises UsageError for what is no certificate."""
    if not isinstance(certificate, Mapping):
        raise UsageError("this is no certificate of an erasure, which is one JSON object")
    try:
        content = {name: value for name, value in certificate.items() if name != "signature"}
        signature = certificate["signature"]
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature["public_key"], validate=True))
        value = base64.b64decode(signature["value"], validate=True)
        request_id, state = str(content["request_id"]), str(content["state"])
    except (KeyError, TypeError, ValueError) as error:
        lacking = [name for name in ("request_id", "state", "signature") if name not in certificate]
        what = f"it has no {', '.join(lacking)}" if lacking else "its signature is none that can be read"
        raise UsageError(
            f"this is no certificate of an erasure: {what}; `afluente privacy certificate show REQUEST` prints one"
        ) from error
    try:
        public.verify(value, canonical(content))
    except InvalidSignature:
        return Verified(is_sound=False, is_ours=False, request_id=request_id, state=state)
    ours = signing_key(connection).public_key().public_bytes_raw()
    return Verified(is_sound=True, is_ours=public.public_bytes_raw() == ours, request_id=request_id, state=state)


def in_order(content: Any) -> Any:
    """The same, its names in the order in which a certificate is read; what has no place comes last, by its name."""
    if isinstance(content, list):
        return [in_order(entry) for entry in content]
    if not isinstance(content, Mapping):
        return content
    places = {name: place for place, name in enumerate(_ORDER)}
    names = sorted(content, key=lambda name: (places.get(name, len(places)), name))
    return {name: in_order(content[name]) for name in names}


def certificate_path(request_id: UUID) -> Path:
    """Where a certificate is filed."""
    return settings().records / "privacy" / "certificates" / f"{request_id}.json"


def _content(connection: Connection, request: PrivacyRequest, *, state: str, ended_at: datetime) -> dict[str, Any]:
    progress = Progress.of(request.progress)
    digests = digests_of_request(connection, request.request_id)
    systems = [
        {
            "system": outcome.system,
            "state": outcome.state,
            "records": outcome.records,
            "answers": outcome.codes,
            "at": None if outcome.at is None else outcome.at.isoformat(),
        }
        for outcome in sorted(progress.systems, key=lambda outcome: (outcome.system, outcome.state))
    ]
    # What they were told, and what they keep of it, is theirs: they are named so that somebody tells them.
    systems += [{"system": f"webhook {name}", "state": UNVERIFIED, "records": None} for name in progress.told]
    return {
        "certificate": "erasure",
        "form": _FORM,
        "request_id": str(request.request_id),
        "brands": sorted(digests) or ([request.brand] if request.brand else []),
        "state": state,
        "received_at": request.received_at.isoformat(),
        "due_at": request.due_at.isoformat(),
        "verified_at": None if request.verified_at is None else request.verified_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "approved_by_a_second_person": request.approved_by is not None,
        "people": progress.people,
        "rows": progress.rows,
        "systems": systems,
        "kept": _kept(progress),
        "suppressed_addresses": sum(map(count_addresses, digests.values())),
        "ledger": progress.ledger,
        "software": f"afluente {metadata.version('afluente')}",
    }


def _kept(progress: Progress) -> list[dict[str, Any]]:
    kept = [{"what": held.table, "why": held.why} for held in inventory().values() if held.fate in (KEPT, EMPTIED)]
    if progress.held:
        kept.append(
            {
                "what": count_people(progress.held),
                "why": "a legal hold forbids to delete what is known of them",
            }
        )
    if progress.shared:
        kept.append(
            {
                "what": counted(progress.shared, "address", "addresses"),
                "why": "others have them as well: they are not suppressed",
            }
        )
    kept.append({"what": "backups of the database", "why": "until they expire; the ledger is replayed after a restore"})
    return kept


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _file(request_id: UUID, certificate: Mapping[str, Any]) -> None:
    path = certificate_path(request_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(in_order(certificate), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ConfigurationError(f"the certificate {unusable(path, error)}") from error
