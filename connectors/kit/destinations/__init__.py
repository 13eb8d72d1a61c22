"""What a CRM declares."""
