"""Stores of secrets, each asked for one secret at a time; and what was read, kept while a store is away."""
