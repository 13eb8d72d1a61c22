"""One module per command group, named as typed: options in, a use case called, its answer printed."""
