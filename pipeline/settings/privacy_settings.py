"""What afluente.yaml may say of privacy."""

from __future__ import annotations

from typing import Annotated

import msgspec


class PrivacySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ledger`: the file that says what was erased, held and restricted, away from the database and its backups. None:
    `privacy/ledger.jsonl` in the folder of records. `own_forms`: sources by whose posts a person who was erased may
    come anew. `needs_approval`: an erasure begins once a second person has approved it. `answer_days`: within which a
    request is to be answered."""

    ledger: str | None = None
    own_forms: list[str] = []
    needs_approval: bool = False
    answer_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30
