"""Where data may be: the region of this deployment, of its brands, and of whoever is sent something of a person.

A region is a country, or EU for the whole European Economic Area. Nothing of this holds until `data_region` says where
the deployment is. Then what would leave a brand's region without a basis is a mistake of the settings, like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from pipeline.settings.type_checks import Problem
from pipeline.values.places.country_codes import COUNTRY_CODES

_EEA = (
    ("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE"),
    ("IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
)
EEA = frozenset(country for countries in _EEA for country in countries)
_FORBIDS = {
    "EU": "GDPR art. 44",
    "GB": "UK GDPR art. 44",
    "CH": "FADP art. 16",
    "BR": "LGPD art. 33",
    "MX": "LFPDPPP, transfers",
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SIGNED = ("scc", "bcr", "contract")  # instruments that two parties signed on a day
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class TransferBasis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What allows data to leave its region. `signed` and `until`: days, as 2026-05-01. `document`: where it is kept."""

    instrument: Literal["adequacy", "scc", "bcr", "contract", "consent", "derogation"]
    signed: str | None = None
    until: str | None = None
    document: str | None = None

    def told(self) -> str:
        """For humans: `scc of 2026-05-01 (DPA 12)`."""
        signed = f" of {self.signed}" if self.signed else ""
        document = f" ({self.document})" if self.document else ""
        return f"{self.instrument}{signed}{document}"

    @property
    def is_over(self) -> bool:
        return self.until is not None and date.fromisoformat(self.until) < date.today()  # noqa: DTZ011 - the reader's day


class Crossing(NamedTuple):
    """Data of a brand that goes to another region. `place`: `destinations.crm`."""

    place: str
    brand: str
    from_region: str
    to_region: str
    basis: TransferBasis


def region_of(text: str | None) -> str | None:
    """A region as it is compared: EU for a country of the European Economic Area; None for what is none."""
    name = (text or "").strip().upper()
    name = {"UK": "GB", "EEA": "EU"}.get(name, name)
    if name in EEA:
        return "EU"
    return name if name == "EU" or name in COUNTRY_CODES else None


def crossings(known: Any) -> list[Crossing]:
    """What leaves its region by the settings in force, which their check let pass."""
    own = region_of(known.data_region)
    if own is None:
        return []
    found = []
    for place, entry in _recipients(known):
        there = region_of(entry.data_region)
        if there is not None and there != own and entry.transfer_basis is not None:
            brands = getattr(entry, "brands", None) or sorted(known.brands)
            found += [Crossing(place, brand, own, there, entry.transfer_basis) for brand in brands]
    return found


def localized(file: Any) -> tuple[Any, dict[str, Any]]:
    """The settings of the brands that are served here, and the brands that are served in another region: whatever is
    for those alone is off."""
    own = region_of(file.data_region)
    elsewhere = {
        name: brand
        for name, brand in file.brands.items()
        if own is not None and region_of(brand.data_region) not in (None, own)
    }
    if not elsewhere:
        return file, {}

    def local(entries: dict[str, Any]) -> dict[str, Any]:
        return {name: _without(entry, elsewhere) for name, entry in entries.items()}

    served = msgspec.structs.replace(
        file,
        brands={name: brand for name, brand in file.brands.items() if name not in elsewhere},
        sources=local(file.sources),
        destinations=local(file.destinations),
        webhooks=local(file.webhooks),
    )
    return served, elsewhere


def _without(entry: Any, elsewhere: Mapping[str, Any]) -> Any:
    if entry.brands is None:
        return entry
    kept = [brand for brand in entry.brands if brand not in elsewhere]
    return msgspec.structs.replace(entry, brands=kept) if kept else msgspec.structs.replace(entry, enabled=False)


def _recipients(known: Any) -> Iterator[tuple[str, Any]]:
    for name, destination in sorted(known.destinations.items()):
        if destination.enabled:
            yield f"destinations.{name}", destination
    for name, webhook in sorted(known.webhooks.items()):
        if webhook.enabled:
            yield f"webhooks.{name}", webhook
    yield "hooks", known.hooks
    if known.consent.mail is not None:
        yield "consent.mail", known.consent.mail


def problems_of_residency(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Of a settings file as it was parsed."""
    own = content.get("data_region")
    brands = _objects(content, "brands")
    yield from _unknown_regions(content)
    if not isinstance(own, str) or region_of(own) is None:
        yield from (
            (f"brands.{name}.data_region", "needs data_region, the region of this deployment, to be compared with")
            for name, entry in brands.items()
            if own is None and isinstance(entry, dict) and entry.get("data_region")
        )
        return
    here = region_of(own) or ""
    local = {name for name, entry in brands.items() if region_of(_text(entry, "data_region")) in (None, here)}
    if brands and not local:
        yield "data_region", f"is {here}, and each brand is of another region: nothing would be served here"
    for place, entry in _sent_to(content):
        if entry.get("enabled") is False and place != "hooks":  # who has subscribed is told on
            continue
        named = entry.get("brands")
        sent = sorted(local.intersection(named)) if isinstance(named, list) else sorted(local or {"default"})
        if sent:
            yield from _of_recipient(place, entry, here, ", ".join(sent))


def _of_recipient(place: str, entry: Mapping[str, Any], here: str, brands: str) -> Iterator[Problem]:
    there = region_of(_text(entry, "data_region"))
    if there is None and _text(entry, "data_region") is None and _is_this_machine(entry):
        return
    forbids = _FORBIDS.get(here, "data stays in the region of its brand")
    if there is None:
        whose = "whoever subscribes by POST /v1/hooks" if place == "hooks" else "its servers"
        yield (
            f"{place}.data_region",
            (
                f"is not set: data of {brands} ({here}) may not go where nobody says it is ({forbids}); name the region"
                f" of {whose}"
            ),
        )
    elif there != here and not isinstance(entry.get("transfer_basis"), dict):
        yield (
            place,
            (
                f"data of {brands} would go from {here} to {there}, which is forbidden without a basis ({forbids}); set"
                f" {place}.transfer_basis, as {{instrument: scc, signed: 2026-05-01}}, or leave it out"
            ),
        )
    basis = entry.get("transfer_basis")
    if isinstance(basis, dict):
        yield from _of_basis(basis, f"{place}.transfer_basis")


def _of_basis(basis: Mapping[str, Any], place: str) -> Iterator[Problem]:
    if basis.get("instrument") in _SIGNED and not basis.get("signed"):
        yield f"{place}.signed", f"is not set: the day on which the {basis['instrument']} was signed, as 2026-05-01"
    for key in ("signed", "until"):
        text = basis.get(key)
        if isinstance(text, str) and not _is_day(text):
            yield f"{place}.{key}", f"{text[:40]!r} is no day; write it as 2026-05-01"


def _unknown_regions(content: Mapping[str, Any]) -> Iterator[Problem]:
    named = [("data_region", content.get("data_region"))]
    named += [
        (f"brands.{name}.data_region", _text(entry, "data_region"))
        for name, entry in _objects(content, "brands").items()
    ]
    named += [(f"{place}.data_region", entry.get("data_region")) for place, entry in _sent_to(content)]
    for place, text in named:
        if isinstance(text, str) and region_of(text) is None:
            yield place, f"{text[:40]!r} is no region: EU, or a country's two letters, as US or BR"


def _sent_to(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for section in ("destinations", "webhooks"):
        for name, entry in _objects(content, section).items():
            if isinstance(entry, dict):
                yield f"{section}.{name}", entry
    hooks = content.get("hooks")
    yield "hooks", hooks if isinstance(hooks, dict) else {}
    mail = _objects(content, "consent").get("mail")
    if isinstance(mail, dict):
        yield "consent.mail", mail


def _is_this_machine(entry: Mapping[str, Any]) -> bool:
    if entry.get("host") in _LOOPBACK:
        return True
    try:
        return urlsplit(str(entry.get("base_url") or entry.get("url") or "")).hostname in _LOOPBACK
    except ValueError:
        return False


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _text(entry: Any, key: str) -> str | None:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else None


def _objects(content: Mapping[str, Any], section: str) -> dict[str, Any]:
    entries = content.get(section)
    return {str(name): entry for name, entry in entries.items()} if isinstance(entries, dict) else {}
