"""Any sender that posts what its user put together: Zapier, Make, n8n, Pabbly. `connector: rest_hook` in afluente.yaml.

They sign nothing: a secret as `Authorization: Bearer …` or as `?secret=…` of the address tells who posts. The field
`external_id` is the lead's own id if there is one; else its content tells repeats.
"""

from connectors.kit import Connector, Secret, SharedSecret, Webhook
from connectors.kit.sources.configured.options import RestHookOptions

CONNECTOR = Connector(
    source="rest_hook",
    title="Webhook of an automation",
    owner="@afluente/sources",
    docs_url="https://zapier.com/blog/what-are-webhooks/",
    intake=Webhook(
        formats=("json", "form", "text"),
        signature=SharedSecret(Secret("REST_HOOK_SECRET")),
    ),
    event_id="external_id",
    configured_by=RestHookOptions,
)
