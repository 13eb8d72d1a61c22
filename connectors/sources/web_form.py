"""A form on one's own website posts here from the browser: as JSON, as a plain form, or as JSON under text/plain.

Browsers send the last two across origins without asking first. Nothing is signed: what a browser can sign, anyone can.
"""

from connectors.kit import Answer, Connector, Webhook

CONNECTOR = Connector(
    source="web_form",
    title="Website form",
    owner="@afluente/sources",
    docs_url="https://html.spec.whatwg.org/multipage/form-control-infrastructure.html",
    intake=Webhook(
        formats=("json", "form", "text"),
        answer=Answer(status=202, body='{"accepted":true}'),
        max_body_bytes=262_144,
        cross_origin=True,
    ),
    event_id="submission_id",
    occurred_at="submitted_at",
)
