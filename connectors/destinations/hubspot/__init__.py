"""HubSpot: contacts, companies, notes and tasks, upserted by a unique property of ours, 100 a call, and associated."""

from connectors.destinations.hubspot.abilities import BATCH_SIZE
from connectors.destinations.hubspot.answers import TEN_SECONDS
from connectors.destinations.hubspot.objects import OBJECTS
from connectors.destinations.hubspot.subscriptions import SUBSCRIPTIONS
from connectors.destinations.hubspot.writer import KEY_PROPERTY, HubSpotWriter
from connectors.kit import DestinationType, Option, Window

DESTINATION = DestinationType(
    kind="hubspot",
    title="HubSpot",
    docs_url="https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/batch/post-crm-v3-objects-contacts-batch-upsert",
    open=HubSpotWriter,
    batch_size=BATCH_SIZE,
    calls_per_second=19.0,  # as many as the larger accounts may make in ten seconds; windows say what this one may
    burst=19,
    windows=(Window(TEN_SECONDS, calls=100, seconds=10), Window("day", calls=250_000, seconds=86_400, floor=0.05)),
    options=(
        Option("api_version", default="v3", help="v3, or a dated one such as 2026-03"),
        Option("external_id_property", default=KEY_PROPERTY, help="the property with unique values that holds our id"),
        Option(
            "on_existing_email",
            default="link",
            allowed=("link", "refuse"),
            help="who is in HubSpot by the e-mail already: link gives the contact our id, refuse leaves it to a human",
        ),
        Option("token_url", "url", help="where tokens come from, if not below base_url"),
    ),
    secrets=("access_token", "client_id", "client_secret", "refresh_token"),
    sandbox_secrets={"client_id": "sandbox", "client_secret": "sandbox", "refresh_token": "sandbox"},
    merge="mark",
    objects=(*OBJECTS, SUBSCRIPTIONS),
)
