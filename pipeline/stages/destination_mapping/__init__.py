"""A person into the fields of a CRM, by a mapping file."""
