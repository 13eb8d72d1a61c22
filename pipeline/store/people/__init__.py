"""Golden records, touches, consents, reports over them."""
