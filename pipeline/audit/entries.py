"""Writing the audit log. What happened and its entry are in the database together, or neither is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from pipeline.audit.acting import current_actor
from pipeline.records.actors import SYSTEM
from pipeline.store.arrays import clean
from pipeline.store.audit import entries as store
from pipeline.store.audit.entries import AuditEntry
from pipeline.store.keyring import blind_index
from pipeline.values.redaction import redact

INSTALLATION = ""  # the chain of what belongs to no brand
TAKEN_OUT = "audit.redact"
_LONGEST_REASON = 500  # characters
Changed = Mapping[str, tuple[Any, Any]]


def record_action(
    connection: Connection,
    action: str,
    *,
    brand: str | None = None,
    object_kind: str | None = None,
    object_id: object = None,
    reason: str | None = None,
    outcome: str = "done",
    changed: Changed | None = None,
    request_id: object = None,
) -> int:
    """One entry by the current actor, in the transaction of `connection`; gives its place in the brand's chain.

    `action` is `noun.verb`. `changed`: field -> (before, after); kept are the names, and keyed digests of the values.
    Addresses and numbers in `reason` are taken out. Call it at the end of a transaction: others who write into the
    chain of this brand wait from here to its commit. One statement.
    """
    actor = current_actor()
    named = brand or INSTALLATION
    kept = None if changed is None else {name: _digests(named, name, values) for name, values in changed.items()}
    entry = AuditEntry(
        brand=named,
        number=0,
        at=datetime.now(UTC),
        actor_kind=actor.kind,
        actor_id=clean(actor.id),
        actor_name=clean(actor.name),
        auth=actor.auth,
        action=action,
        object_kind=object_kind,
        object_id=None if object_id is None else clean(str(object_id)),
        reason=None if reason is None else clean(redact(reason))[:_LONGEST_REASON],
        outcome=outcome,
        changed=kept,
        changed_digest=None if kept is None else digest_of_changes(kept),
        request_id=None if request_id is None else clean(str(request_id)),
    )
    return store.add_entry(connection, entry, hashed_content(entry))


def was_done_by_me(connection: Connection, action: str, object_id: object) -> bool:
    """Whether the current actor did this to that object, for what wants a second person. Of the program itself it is
    not known who had it do that: False."""
    actor = current_actor()
    return actor != SYSTEM and (actor.kind, clean(actor.id)) in store.read_actors(connection, action, str(object_id))


def take_out_changes(connection: Connection, object_ids: Sequence[object]) -> int:
    """Forget the digests of what was changed of these objects, where somebody is erased; gives how many entries lost
    theirs. An entry for each object says so: `audit verify` takes no other absence."""
    emptied = store.take_out_changes(connection, [str(object_id) for object_id in object_ids])
    for brand, kind, object_id in emptied:
        record_action(connection, TAKEN_OUT, brand=brand, object_kind=kind or None, object_id=object_id)
    return sum(emptied.values())


def hashed_content(entry: AuditEntry) -> bytes:
    """What an entry's hash goes over, beside the hash before it: JSON with sorted names and no blanks (RFC 8785)."""
    content = {
        "action": entry.action,
        "actor": {"auth": entry.auth, "id": entry.actor_id, "kind": entry.actor_kind, "name": entry.actor_name},
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "brand": entry.brand,
        "changed": None if entry.changed_digest is None else entry.changed_digest.hex(),
        "object": [entry.object_kind, entry.object_id],
        "outcome": entry.outcome,
        "reason": entry.reason,
        "request": entry.request_id,
    }
    return _canonical(content)


def digest_of_changes(changed: Mapping[str, list[str | None]]) -> bytes:
    """What stands for the changes in the chain."""
    return hashlib.sha256(_canonical(dict(changed))).digest()


def _digests(brand: str, name: str, values: tuple[Any, Any]) -> list[str | None]:
    return [None if value is None else digest_of_value(brand, name, value) for value in values]


def digest_of_value(brand: str | None, name: str, value: Any) -> str:
    """The same for the same value of this field and brand; without the key nobody can try out which value it was."""
    content = json.dumps(["audit", brand or INSTALLATION, name, value], sort_keys=True, default=str).encode()
    return blind_index().content_id(content).hex


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
