"""A CRM before the first lead: does the mapping fit, one record tried, what is to be made there, what would be sent."""
