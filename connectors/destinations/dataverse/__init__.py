"""Dynamics 365 Sales and other tables of Dataverse: upserts by an alternate key, 100 of them in a call of `$batch`."""

from __future__ import annotations

from connectors.destinations.dataverse.consents import CONSENTS
from connectors.destinations.dataverse.objects import OBJECTS
from connectors.destinations.dataverse.writer import TOKEN_URL, DataverseWriter
from connectors.kit import DestinationType, Option, Window

DESTINATION = DestinationType(
    kind="dataverse",
    title="Dynamics 365",
    docs_url="https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api",
    open=DataverseWriter,
    batch_size=100,
    calls_per_second=2.0,  # a call of 100 is some seconds of execution, of which there are 1,200 in five minutes
    burst=4,
    windows=(Window("five_minutes", calls=6_000, seconds=300),),
    options=(
        Option("api_version", ("number", "text"), default="9.2", help="version of the Web API"),
        Option("consent_id_field", help="the column of the own id of a table of yours that consents are told by"),
        Option("consent_matched_by", help="columns by which a consent that is there already is found, with commas"),
        Option("external_id_field", default="new_afluenteid", help="the column of the alternate key that holds our id"),
        Option("id_field", default="leadid", help="the column of the table's own id"),
        Option("return_representation", "boolean", default=True, help="false: created is not told from updated"),
        Option("table", default="leads", help="the table's entity set name, such as leads or contacts"),
        Option("tenant_id", help="the Entra ID tenant that lets us in: an id, or a domain"),
        Option("token_url", "url", default=TOKEN_URL, help="where tokens come from; {tenant} becomes tenant_id"),
    ),
    secrets=("access_token", "client_id", "client_secret"),
    sandbox_secrets={"client_id": "sandbox", "client_secret": "sandbox"},
    merge="mark",
    objects=(*OBJECTS, *CONSENTS),
)
