"""CRMs, a module each: declaration and dialect."""
