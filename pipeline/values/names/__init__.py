"""Names of people: split, cased, checked, completed."""
