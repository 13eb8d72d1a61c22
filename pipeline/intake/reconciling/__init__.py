"""Sources that post, asked afterwards what they have posted: what was lost is found by its id and comes in."""
