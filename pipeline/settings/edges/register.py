"""What the register of processing needs that no other setting says: by whom, and what for."""

from __future__ import annotations

import msgspec


class RegisterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences for the register (GDPR art. 30, LGPD art. 37). `purposes`: by source, where one has its own."""

    controller: str | None = None
    contact: str | None = None
    protection_officer: str | None = None
    purpose: str | None = None
    purposes: dict[str, str] = {}
    legal_basis: str | None = None
    people: str = "people who left their details, or whose details a partner passed on"
    retention: str | None = None  # where no rule of this program ends it
    measures: str = "sealed fields and bodies (AES-256-GCM), roles, an audit log, TLS on the way"
