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
from connectors.kit.destinations.options import Option
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
from connectors.kit.sources.handshakes import (
    CrcToken,
    Echo,
    GraphValidation,
    Greeting,
    SignedToken,
    SlackChallenge,
    VerifyToken,
    ZoomValidation,
)
from connectors.kit.sources.signatures import HmacSha256, StandardWebhooks

__all__ = [
    "AfluenteError",
    "Answer",
    "Api",
    "ConfigurationError",
    "Connection",
    "Connector",
    "CrcToken",
    "Cursor",
    "DestinationType",
    "Echo",
    "File",
    "GraphValidation",
    "Greeting",
    "HmacSha256",
    "Option",
    "PageNumber",
    "Poll",
    "QuotaError",
    "Record",
    "RecordError",
    "Secret",
    "Secrets",
    "Signature",
    "SignedToken",
    "SlackChallenge",
    "StandardWebhooks",
    "TerminalError",
    "TransientError",
    "Usage",
    "VerifyToken",
    "Webhook",
    "WriteResult",
    "Writer",
    "ZoomValidation",
    "destination_types",
    "sources",
]
