"""Phone numbers: read, refused with a reason, matched; plans and extensions."""
