"""Sources that are asked, by hand: how their polls and reads go, and one now."""
