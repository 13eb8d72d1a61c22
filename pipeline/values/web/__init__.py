"""Web sites and profiles."""
