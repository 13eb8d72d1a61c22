"""Which version of a person each CRM should have and has."""
