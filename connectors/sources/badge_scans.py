"""Badges scanned at a trade fair. A visitor is known by the badge; each scan is a contact of its own, with its notes.

Scanners work offline and upload hours later; whoever is scanned at three booths is three rows and one person.
"""

from connectors.kit import Connector, DropFolder

CONNECTOR = Connector(
    source="badge_scans",
    title="Badge scans",
    owner="@afluente/sources",
    docs_url="https://datatracker.ietf.org/doc/html/rfc4180",  # each organizer exports in his own columns
    intake=DropFolder(),
    lane="bulk",
    event_id="Scan ID",
    occurred_at="Scan Time",
)
