"""Sealing of personal data, and keyed digests to find by what is sealed."""
