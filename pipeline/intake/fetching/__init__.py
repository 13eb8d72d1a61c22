"""The step before map: records of which an id came are read from their source, stored, and set on their way."""
