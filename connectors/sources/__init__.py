"""Sources, a module each: a declaration."""
