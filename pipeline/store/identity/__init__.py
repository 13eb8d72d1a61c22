"""Evidence, decisions, reviews, and the log of who became whom."""
