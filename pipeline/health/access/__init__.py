"""Is access as it should be: keys that are about to end, and where the audit log ends."""
