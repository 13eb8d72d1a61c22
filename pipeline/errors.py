"""The errors of the house, as the pipeline names them. They live in the kit because connectors raise them too."""

from connectors.kit.errors import (
    AfluenteError,
    ConfigurationError,
    QuotaError,
    RecordError,
    TerminalError,
    TransientError,
)

__all__ = ["AfluenteError", "ConfigurationError", "QuotaError", "RecordError", "TerminalError", "TransientError"]
