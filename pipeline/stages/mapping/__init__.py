"""A source's record into canonical fields, by a mapping file."""
