"""`afluente privacy register`: the register of processing, out of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.terminal.output import AsJson, example, print_json, print_line, print_note, print_table

if TYPE_CHECKING:
    from pipeline.privacy.register import Register

REGISTER = example("afluente privacy register", "afluente privacy register --json")


def register(*, as_json: AsJson = False) -> None:
    """Show the register of processing (GDPR art. 30, LGPD art. 37).

    What is taken in by which source and what for, which categories of data, who gets them, in which region and by what
    right, and for how long. Made of afluente.yaml and the mappings in force; sources that it does not name are left
    out. No personal data. What a human has to say is in `register` of afluente.yaml.
    """
    from pipeline.privacy.register import register_of
    from pipeline.settings.loading import settings

    found = register_of(settings())
    print_json(found) if as_json else _print(found)


def _print(found: Register) -> None:
    print_line(f"controller: {found.controller or 'not stated'}, {found.contact or 'no contact stated'}")
    print_line(f"data protection officer: {found.protection_officer or 'not stated'}")
    print_line(f"region: {found.region or 'not stated'}; measures: {found.measures}")
    print_table(
        ("brand", "source", "purpose", "legal basis", "data", "recipients", "kept"),
        [
            (
                row.brand,
                row.source,
                row.purpose,
                row.legal_basis,
                "; ".join(row.categories),
                ", ".join(row.recipients),
                row.retention,
            )
            for row in found.activities
        ],
    )
    print_table(
        ("recipient", "kind", "brands", "region", "basis", "data"),
        [
            (row.name, row.kind, ", ".join(row.brands), row.region, row.basis, "; ".join(row.categories))
            for row in found.recipients
        ],
    )
    if found.missing:
        print_note(f"not stated in afluente.yaml: {', '.join(found.missing)}")
