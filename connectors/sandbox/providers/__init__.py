"""Sources, played: what they post and lose, their lists and records, with quotas, tokens that end and failures."""
