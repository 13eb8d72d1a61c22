"""Salesforce: sObject Collections upsert by an external id, 200 records a call, one result for each record."""

from connectors.destinations.salesforce.api import BATCH_SIZE
from connectors.destinations.salesforce.writer import SalesforceWriter
from connectors.kit import SUBJECTS, DestinationType, ObjectType, Option, Window

DESTINATION = DestinationType(
    kind="salesforce",
    title="Salesforce",
    docs_url="https://developer.salesforce.com/docs/platform/api-rest/guide/resources-composite-sobjects-collections-upsert.html",
    open=SalesforceWriter,
    batch_size=BATCH_SIZE,
    calls_per_second=25.0,
    burst=25,
    windows=(Window("day", calls=100_000, seconds=86_400, floor=0.05),),  # until an answer tells the account's own
    options=(
        Option("allow_duplicate_alerts", "boolean", help="save in spite of duplicate rules that only warn"),
        Option("api_version", ("number", "text"), default="67.0", help="such as 67.0"),
        Option("audience", "url", help="of the signed assertion, if not the login server"),
        Option("auto_assign", ("boolean", "text"), help="true, false or a rule's id; not set: the active rule"),
        Option(
            "bulk_above", "integer", default=2000, at_least=0, help="due records for a job of Bulk API 2.0; 0: never"
        ),
        Option("client", default="afluente", help="what Salesforce calls our calls in its logs and limits"),
        Option("converted", default="contact", allowed=("contact", "leave"), help="of a lead that was converted"),
        Option("duplicates_as_user", "boolean", help="duplicate rules see what the user may see, not all records"),
        Option("external_id_field", default="Afluente_Id__c", help="the unique field that holds our id"),
        Option("find_contacts", "boolean", help="before a lead is made, look for a contact with the address"),
        Option("gone", default="make_again", allowed=("make_again", "leave"), help="of a record that was deleted"),
        Option("object", default="Lead", help="Lead or Contact"),
        Option("token_url", "url", help="where tokens come from, if not below base_url"),
        Option("username", help="whom the app acts for, with a private key"),
    ),
    secrets=("access_token", "client_id", "client_secret", "private_key", "refresh_token"),
    sandbox_secrets={"client_id": "sandbox", "client_secret": "sandbox"},
    merge="mark",
    objects=(ObjectType("*", SUBJECTS),),
)
