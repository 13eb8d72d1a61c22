"""Lists of leads from partners, in the columns agreed with them (docs/drop-folder.md): a row is known by its id."""

from connectors.kit import Connector, DropFolder

CONNECTOR = Connector(
    source="partner_lists",
    title="Partner list",
    owner="@afluente/sources",
    docs_url="https://datatracker.ietf.org/doc/html/rfc4180",  # the layout itself is agreed with the partner
    intake=DropFolder(),
    lane="bulk",
    event_id="Row ID",
    occurred_at="Collected At",
)
