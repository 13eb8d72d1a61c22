"""The audit log: entries in chains by hash, one chain a brand, added to and never changed."""
