"""Where leads come in: the HTTP receiver, file import and polled sources. Nothing is acknowledged before its commit."""
