"""Secrets and keys: can each be read, does it end soon, and which keys sealed what is stored."""
