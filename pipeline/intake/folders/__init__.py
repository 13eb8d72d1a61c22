"""Drop folders: files that somebody else puts down, each read once and put away."""
