"""Messages to other systems: the outbox, the endpoints that it is for, and what a message's payload is made of."""
