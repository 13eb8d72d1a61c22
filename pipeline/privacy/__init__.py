"""Consent: statements kept as they came, and what holds now."""
