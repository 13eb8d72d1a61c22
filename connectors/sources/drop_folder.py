"""Files of leads that somebody puts into a folder, in columns of the usual titles: docs/drop-folder.md."""

from connectors.kit import Connector, DropFolder

CONNECTOR = Connector(
    source="drop_folder",
    title="Drop folder",
    owner="@afluente/sources",
    docs_url="https://datatracker.ietf.org/doc/html/rfc4180",  # the format of most files; the folder itself is ours
    intake=DropFolder(),
    lane="bulk",
    event_id="Lead ID",
)
