"""The HTTP receiver: signatures, answers, rate limits, durable writes in groups."""
