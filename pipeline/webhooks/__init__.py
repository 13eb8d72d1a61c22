"""Webhooks out: messages of the outbox signed and posted to other systems, and who has subscribed to them."""
