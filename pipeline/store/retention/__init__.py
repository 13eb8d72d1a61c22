"""What is retired for its age: the rules that were approved, how far a run is, what went, and the statements of it."""
