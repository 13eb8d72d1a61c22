"""Dataverse's dialect, as Dynamics 365 speaks it: tokens of Entra ID, the Web API's records and its batches."""

from connectors.sandbox.dialects.dataverse.dialect import DataverseDialect

DIALECT = DataverseDialect
