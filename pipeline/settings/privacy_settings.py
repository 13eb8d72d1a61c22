"""What afluente.yaml may say of privacy."""

from __future__ import annotations

import msgspec


class PrivacySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ledger`: the file that says what was erased, held and restricted, away from the database and its backups. None:
    `privacy/ledger.jsonl` in the data folder. `own_forms`: sources by whose posts a person who was erased may come
    anew."""

    ledger: str | None = None
    own_forms: list[str] = []
