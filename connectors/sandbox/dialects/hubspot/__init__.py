"""HubSpot's dialect: tokens, contacts, companies, notes and tasks in batches and alone, associations, properties."""

from connectors.sandbox.dialects.hubspot.routes import HubSpotDialect

DIALECT = HubSpotDialect
