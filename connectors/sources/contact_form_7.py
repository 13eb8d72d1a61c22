"""Contact Form 7 of WordPress, by a plugin such as "CF7 to Webhook": the fields of the form by their names, as JSON or
as a form. Nothing is signed, and what is not taken at once is not sent again."""

from connectors.kit import Connector, Secret, SharedSecret, Webhook

CONNECTOR = Connector(
    source="contact_form_7",
    title="Contact Form 7",
    owner="@afluente/sources",
    docs_url="https://wordpress.org/plugins/cf7-to-zapier/",
    intake=Webhook(
        signature=SharedSecret(Secret("CONTACT_FORM_7_SECRET")),
        formats=("json", "form"),
    ),
)
