"""Records that are still to be read from their sources by the ids that came, and why nobody reads some of them now."""
