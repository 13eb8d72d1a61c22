"""Retention: which rules are in force, what they would retire, and a daily run that retires it."""
