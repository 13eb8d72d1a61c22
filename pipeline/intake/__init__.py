"""Where leads come in: receiver, files, polls. Nothing is acknowledged before its commit."""
