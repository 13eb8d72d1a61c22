"""`afluente destination setup`: what a mapping needs in its CRM is made there, or said to whoever makes it by hand."""

from __future__ import annotations

import msgspec

from connectors.kit import SetsUp
from pipeline.delivery.inquiries import inquire
from pipeline.errors import TerminalError
from pipeline.inspection.crm.checks import file_of
from pipeline.settings.loading import settings
from pipeline.stages.destination_mapping.described import MADE_BY_SETUP


class SetUp(msgspec.Struct, frozen=True):
    """`made`: what was made, or would be. `by_hand`: sentences of what is left to a human. `refused`: why the CRM let
    us make nothing. `doubtful`: of what would be made, names that look like one that is there."""

    made: list[str]
    by_hand: list[str]
    refused: str | None = None
    doubtful: list[str] = []


def set_up(name: str, *, is_dry_run: bool = False) -> SetUp:
    """Safe to run again: what is there is left as it is. Raises UsageError, ConfigurationError, and what the CRM and
    the network come to, TerminalError only where nothing can be asked."""
    with inquire(settings(), name) as inquiry:
        writer, refused = inquiry.writer, None
        made: tuple[str, ...] = ()
        is_able = isinstance(writer, SetsUp)
        try:
            for _, opened in inquiry.objects():
                made += opened.setup(dry_run=is_dry_run) if isinstance(opened, SetsUp) else ()
        except TerminalError as error:
            refused = str(error)
        is_pending = is_able and is_dry_run and refused is None
        try:
            misfits = inquiry.misfits()
        except TerminalError:
            if not (made or refused):
                raise
            misfits = []  # of a table that is still to be made nothing can be told
        if misfits is None and not is_able:
            refused = f"{inquiry.kind.title} neither tells which fields it has nor lets us make any"
        to_make = [
            misfit
            for misfit in misfits or ()
            if is_pending and misfit.code in MADE_BY_SETUP and _is_among(misfit.field, made)
        ]
        left = [misfit for misfit in misfits or () if misfit not in to_make]
        by_hand = [f"{file_of(inquiry)}: {misfit.sentence}" for misfit in left]
        doubtful = [f"{file_of(inquiry)}: {misfit.what}" for misfit in to_make if misfit.near]
    return SetUp(list(made), by_hand, refused, doubtful)


def _is_among(field: str, made: tuple[str, ...]) -> bool:
    """Whether a sentence speaks of the field; of our id's, any does."""
    return not field or any(field in sentence.split() for sentence in made)
