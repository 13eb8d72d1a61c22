"""HubSpot's dialect: tokens, contacts in batches and alone, search, properties, erasure."""

from connectors.sandbox.dialects.hubspot.routes import HubSpotDialect

DIALECT = HubSpotDialect
