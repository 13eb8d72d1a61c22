"""Salesforce's dialect: tokens, collections upsert, single records, queries, deletion, describe, limits."""

from connectors.sandbox.dialects.salesforce.dialect import SalesforceDialect

DIALECT = SalesforceDialect
