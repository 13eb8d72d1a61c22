"""Addresses that nobody is to be known by again: keyed digests of them, looked up for each batch."""
