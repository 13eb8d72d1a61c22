"""What a source declares, and what follows from it: signatures, polls, records, idempotency."""
