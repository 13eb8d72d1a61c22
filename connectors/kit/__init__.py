"""The vocabulary a connector is written in. Knows nothing of the pipeline."""

from connectors.kit.destinations.declarations import (
    Connection,
    DestinationType,
    Record,
    Secrets,
    Usage,
    Writer,
    WriteResult,
)
from connectors.kit.errors import (
    AfluenteError,
    ConfigurationError,
    QuotaError,
    RecordError,
    TerminalError,
    TransientError,
)
from connectors.kit.registry import destination_types, sources
from connectors.kit.sources.declarations import (
    Answer,
    Api,
    Connector,
    Cursor,
    File,
    PageNumber,
    Poll,
    Secret,
    Signature,
    Webhook,
)
from connectors.kit.sources.signatures import HmacSha256, StandardWebhooks

__all__ = [
    "AfluenteError",
    "Answer",
    "Api",
    "ConfigurationError",
    "Connection",
    "Connector",
    "Cursor",
    "DestinationType",
    "File",
    "HmacSha256",
    "PageNumber",
    "Poll",
    "QuotaError",
    "Record",
    "RecordError",
    "Secret",
    "Secrets",
    "Signature",
    "StandardWebhooks",
    "TerminalError",
    "TransientError",
    "Usage",
    "Webhook",
    "WriteResult",
    "Writer",
    "destination_types",
    "sources",
]
