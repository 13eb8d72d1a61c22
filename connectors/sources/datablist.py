"""Lead lists in the columns of Datablist's sample files, given to `afluente import`."""

from connectors.kit import Connector, File

CONNECTOR = Connector(
    source="datablist",
    title="Datablist file",
    owner="@afluente/sources",
    docs_url="https://www.datablist.com/learn/csv/download-sample-csv-files",
    intake=File(example="typical.csv"),
    lane="bulk",
    event_id="Account Id",
)
