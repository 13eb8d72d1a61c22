"""What people take back in a CRM, read there and taken as their statements here."""
