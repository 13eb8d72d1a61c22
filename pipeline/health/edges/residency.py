"""Which data leaves its region, and by what right."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.health.checks import Check, failed, passed
from pipeline.settings.edges.residency import Crossing, crossings, region_of
from pipeline.settings.loading import Settings
from pipeline.values.counting import counted


def check_residency(known: Settings) -> Iterator[Check]:
    """Nothing where no region is set. What crosses without a basis never gets here: the settings are refused."""
    region = region_of(known.data_region)
    if region is None:
        return
    found = crossings(known)
    over = {crossing.place: crossing for crossing in found if crossing.basis.is_over}
    for place, crossing in over.items():
        yield failed(
            "residency",
            f"{place}: data goes to {crossing.to_region} by {crossing.basis.told()}, which ended on"
            f" {crossing.basis.until}",
            f"renew it and set {place}.transfer_basis.until, or set {place}.enabled to false",
        )
    if not over:
        yield passed("residency", f"{region}; {_told(found)}{_elsewhere(known)}")


def transfers(known: Settings) -> list[dict[str, str | None]]:
    """For `status`: what leaves its region, JSON-ready."""
    return [
        {
            "place": crossing.place,
            "brand": crossing.brand,
            "from": crossing.from_region,
            "to": crossing.to_region,
            "basis": crossing.basis.told(),
            "until": crossing.basis.until,
        }
        for crossing in crossings(known)
    ]


def _told(found: list[Crossing]) -> str:
    by_place = {crossing.place: crossing for crossing in found}
    if not by_place:
        return "nothing leaves it"
    return "; ".join(f"{place} in {it.to_region} by {it.basis.told()}" for place, it in by_place.items())


def _elsewhere(known: Settings) -> str:
    count = len(known.brands_elsewhere)
    return f"; {counted(count, 'brand')} of other regions, answered 421" if count else ""
